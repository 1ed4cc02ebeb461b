// In: what the kernel has of the node's rules, as a backend prints it. Out: whose addresses are exempt. Pure. Called by host.ts.
import { addressFamily } from './address-text.ts';

const separators = new Set([' ', '\t', '\n', '{', '}', ',', '"']);

/** Words of a print, whatever the tool puts between them. */
function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  let start = 0;
  for (let at = 0; at <= text.length; at += 1) {
    const character = text[at];
    if (character !== undefined && !separators.has(character)) continue;
    if (at > start) words.push(text.slice(start, at));
    start = at + 1;
  }
  return words;
}

/**
 * Owners by address. Every tool prints an address and, after it, the owner's UID as a comment: `10.0.0.1 comment "uid"` in a set of nftables
 * or ipset, `-d 10.0.0.1/32 ... --comment uid` in a rule of iptables.
 */
export function ownersPrinted(text: string): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  let address: string | undefined;
  let isComment = false;
  for (const word of wordsOf(text)) {
    const [host = ''] = word.split('/');
    if (word === 'comment' || word === '--comment') isComment = true;
    else if (isComment) {
      // It belongs to the address before it, and to no other.
      if (address !== undefined) owners.set(address, word);
      address = undefined;
      isComment = false;
    } else if (addressFamily(host) !== 0) address = host;
  }
  return owners;
}
