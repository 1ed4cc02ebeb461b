// Text that becomes a word of a rule. In: text from an operator, a plugin or the API. Out: the family of the address that it is. Pure.
import { isIP } from 'node:net';

/** 4 or 6; 0 for what is no address, and for one with a zone, which means something to this machine only. */
export const addressFamily = (text: string): 0 | 4 | 6 => (text.includes('%') ? 0 : (isIP(text) as 0 | 4 | 6));
