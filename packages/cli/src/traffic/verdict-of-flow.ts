// What became of a flow, as its reporter says. Pure. Called by tap, trace and flow-edges.
import type { Flow } from './access-line.ts';

/** Whether a policy refused it. */
export const isDenied = ({ error, status }: Flow): boolean => status === 403 || error.includes('policy rejection');

/** One word. */
export const verdictOfFlow = (flow: Flow): 'ok' | 'DENIED' | 'FAILED' =>
  isDenied(flow) ? 'DENIED' : flow.error === '' ? 'ok' : 'FAILED';
