/**
 * What an L7 decision may know about a request: plain facts, no sockets.
 * Built by the waypoint (http/server.ts), `ambit explain`, `ambit policy simulate` and tests; read by every decision here.
 */
import type { HeaderList } from './header-list.ts';

/** The authenticated peer of the tunnel. All undefined for an unauthenticated client. */
export interface PeerFacts {
  /** SPIFFE id as in the certificate, `spiffe://<trust domain>/ns/<namespace>/sa/<account>`. */
  readonly principal: string | undefined;
  readonly trustDomain: string | undefined;
  readonly namespace: string | undefined;
  readonly serviceAccount: string | undefined;
}

/** Facts of the connection; the only ones that exist for raw TCP. */
export interface ConnectionView {
  readonly peer: PeerFacts;
  /** Client address of the tunnel (the client pod), textual, without port. */
  readonly sourceIp: string;
  /** Trusted client address (spec/waypoint.md 4.6.3); equals `sourceIp` unless a forwarding header was believed. */
  readonly remoteIp: string;
  /** Address that the client dialled, textual, undefined when it dialled a name. */
  readonly destinationIp: string | undefined;
  /** Port of the frontend (the service port). */
  readonly port: number;
  readonly sni: string | undefined;
}

/** One HTTP request after hygiene: the path is normalized, the header names are lower case. */
export interface RequestView extends ConnectionView {
  readonly method: string;
  readonly scheme: string;
  /** `:authority` or Host as sent, port included. */
  readonly authority: string;
  /** Normalized path without query. */
  readonly path: string;
  /** Text after the first `?`, undefined when there is none. Never normalized. */
  readonly query: string | undefined;
  readonly headers: HeaderList;
  /** Verified token payload; undefined without one. */
  readonly claims?: unknown;
}

/** An unauthenticated peer. */
export const noPeer: PeerFacts = Object.freeze({
  principal: undefined,
  trustDomain: undefined,
  namespace: undefined,
  serviceAccount: undefined,
});

/**
 * Splits a SPIFFE id into the facts that policies ask for.
 * Ids with further path elements keep their namespace and service account (spec/waypoint.md 4.1.3); any other text
 * gives a principal without them.
 */
export const peerFactsOf = (principal: string | undefined): PeerFacts => {
  if (principal === undefined) return noPeer;
  if (!principal.startsWith('spiffe://')) return { ...noPeer, principal };
  const parts = principal.slice('spiffe://'.length).split('/');
  return {
    principal,
    trustDomain: parts[0] === '' ? undefined : parts[0],
    namespace: valueAfter(parts, 'ns'),
    serviceAccount: valueAfter(parts, 'sa'),
  };
};

const valueAfter = (parts: readonly string[], key: string): string | undefined => {
  for (let index = 1; index + 1 < parts.length; index += 2) if (parts[index] === key) return parts[index + 1];
  return undefined;
};
