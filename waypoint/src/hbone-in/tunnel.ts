/**
 * One accepted tunnel: who is at the other end and what it was opened for. Made by hbone-in/listener.ts; read by filters,
 * upstream and telemetry for as long as the tunnel lives. Data thread.
 */
import type { TunnelHeaders } from '@ambit/hbone';
import type { PeerFacts } from '@ambit/l7';
import type { FrontendPort } from '../updates/compiled-config.ts';

/** Facts of a tunnel; never change. */
export interface Tunnel {
  readonly peer: PeerFacts;
  /** Address of the client pod. */
  readonly sourceIp: string;
  /** `ip:port` of the client for the log. */
  readonly clientAddress: string;
  /** `:authority` of the CONNECT. */
  readonly authority: string;
  readonly destinationIp: string | undefined;
  /** Frontend at the time of the CONNECT. Requests look it up again in the current configuration. */
  readonly frontend: FrontendPort;
  readonly headers: TunnelHeaders;
  /** What the client of a TLS port asks for. */
  readonly serverName?: string | undefined;
}

/** Client address of a `forwarded` header (`for="ip:port"`), undefined when there is none. */
export const forwardedFor = (
  header: string | undefined,
): { readonly ip: string; readonly text: string } | undefined => {
  if (header === undefined || header.length > 512) return undefined;
  for (const part of header.split(';')) {
    const [name, ...rest] = part.trim().split('=');
    if (name?.toLowerCase() !== 'for') continue;
    const text = rest.join('=').replaceAll('"', '');
    const colon = text.lastIndexOf(':');
    const ip = (colon === -1 ? text : text.slice(0, colon)).replace('[', '').replace(']', '');
    return ip === '' ? undefined : { ip, text };
  }
  return undefined;
};
