// CIDR text of the local state file. Called by local-file.ts and policy.ts; pure.

import { canonicalIp, fullLength } from '../ip.ts';

/** `address/length`; host bits may be set. */
export function parseCidr(text: string): { readonly ip: string; readonly length: number } | undefined {
  const at = text.indexOf('/');
  const ip = canonicalIp(at < 0 ? text : text.slice(0, at));
  if (ip === undefined) return undefined;
  const length = at < 0 ? fullLength(ip) : Number(text.slice(at + 1) || Number.NaN);
  return Number.isInteger(length) && length >= 0 && length <= fullLength(ip) ? { ip, length } : undefined;
}
