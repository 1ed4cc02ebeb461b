// Between core http2's header objects and ours. Pure; called once per tunnel on each side.
import type { IncomingHttpHeaders } from 'node:http2';
import type { TunnelHeaders } from '../tunnel.ts';

/** Ordinary fields only, lower case, repeated ones joined with commas. No prototype: names come from a peer. */
export function plainHeaders(headers: IncomingHttpHeaders): TunnelHeaders {
  const out: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const name of Object.keys(headers)) {
    if (name.startsWith(':')) continue;
    const value = headers[name];
    if (value !== undefined) out[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return out;
}
