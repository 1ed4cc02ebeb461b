// The `forwarded` header of CONNECT (spec node-proxy 2.5): the client's address and the service it asked for. Pure.
import { isIPv6 } from 'node:net';
import type { SocketAddress } from '@ambit/net';

const MAX_LENGTH = 4096;

/** `for="1.2.3.4:5";host=reviews.default.svc.cluster.local`; IPv6 in brackets inside the quotes. */
export function formatForwarded(client: SocketAddress, host?: string): string {
  const ip = isIPv6(client.ip) ? `[${client.ip}]` : client.ip;
  const by = `for="${ip}:${client.port}"`;
  return host === undefined || host === '' ? by : `${by};host=${host}`;
}

/** The first `host=` parameter, unquoted; undefined when there is none or the header is not plain ASCII. Never throws. */
export function forwardedHost(header: string | undefined): string | undefined {
  if (header === undefined || header.length > MAX_LENGTH || !isAscii(header)) return undefined;
  for (const part of header.split(';')) {
    const trimmed = part.trim();
    if (!trimmed.toLowerCase().startsWith('host=')) continue;
    const value = unquoted(trimmed.slice('host='.length).trim());
    return value === '' ? undefined : value;
  }
  return undefined;
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7e || text.charCodeAt(i) < 0x20) return false;
  return true;
}
