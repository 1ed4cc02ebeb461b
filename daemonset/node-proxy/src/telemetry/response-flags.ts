/**
 * Error of a connection in, Istio response flag and access-log text out.
 *
 * Called by `connection-record.ts` when a connection ends. Runs on a data thread. The flags are the `response_flags`
 * label of the TCP metrics (spec/node-proxy.md 9.2); the texts are the catalogue of section 12.
 */

import { CodedError } from '@ambit/runtime/errors';

/** The closed set of `response_flags` values. `-` is success. */
export type ResponseFlag =
  | '-'
  | 'DENY'
  | 'CONNECT'
  | 'TLS_FAILURE'
  | 'H2_HANDSHAKE_FAILURE'
  | 'NETWORK_POLICY'
  | 'IDENTITY_ERROR'
  | 'CERT_REVOKED';

/** Codes of every failure this app itself names. */
export type NodeProxyErrorCode =
  /** A root certificate, token or setting that the environment names cannot be used. */
  | 'ERR_NODE_PROXY_CONFIG'
  /** An authorization policy denied the connection. */
  | 'ERR_NODE_PROXY_DENIED'
  /** A policy arrived that denies an open connection. */
  | 'ERR_NODE_PROXY_POLICY_CHANGE'
  /** The connection was still open at the drain deadline. */
  | 'ERR_NODE_PROXY_DRAIN'
  /** The pod of the connection left the mesh or was deleted. */
  | 'ERR_NODE_PROXY_POD_GONE'
  /** The destination is a port of the node proxy itself. */
  | 'ERR_NODE_PROXY_SELF_CALL'
  /** There is no workload, waypoint or address to send the connection to; the message says which. */
  | 'ERR_NODE_PROXY_NO_ROUTE'
  /** The control plane has not sent the local workload that the connection belongs to. */
  | 'ERR_NODE_PROXY_UNKNOWN_WORKLOAD'
  /** There is no certificate for the identity of the local workload. */
  | 'ERR_NODE_PROXY_IDENTITY'
  /** The certificate of a local identity makes no TLS configuration. */
  | 'ERR_NODE_PROXY_TLS'
  /** A certificate of the peer is on the revocation list. */
  | 'ERR_NODE_PROXY_REVOKED'
  /** The application or the service relay could not be reached, or a port could not be bound. */
  | 'ERR_NODE_PROXY_CONNECT'
  /** A SOCKS5 client broke the protocol or named a host that cannot be resolved. */
  | 'ERR_NODE_PROXY_SOCKS5'
  /** The node agent sent something that is no ZDS message, or a pod without a network namespace. */
  | 'ERR_NODE_PROXY_ZDS'
  /** The file or text of local workloads, services and policies cannot be read. */
  | 'ERR_NODE_PROXY_LOCAL_STATE';

/** Every failure the node proxy names. `code` is stable; `message` is the access-log text of spec/node-proxy.md 12. */
export class NodeProxyError extends CodedError<NodeProxyErrorCode> {
  override readonly name = 'NodeProxyError';
}

/** The error of a connection closed because a policy arrived that denies it (flag `DENY`). */
export const policyChange = (): NodeProxyError =>
  new NodeProxyError('ERR_NODE_PROXY_POLICY_CHANGE', 'connection closed due to policy change');

/** The error of a connection cut at the drain deadline. */
export const drainDeadline = (): NodeProxyError =>
  new NodeProxyError('ERR_NODE_PROXY_DRAIN', 'connection closed due to connection drain');

/** The error of a connection that ended because its pod left the mesh or was deleted. */
export const podGone = (): NodeProxyError =>
  new NodeProxyError('ERR_NODE_PROXY_POD_GONE', 'connection closed: the workload left the mesh');

/** The error of a connection addressed to one of the proxy's own ports. */
export const selfCall = (): NodeProxyError =>
  new NodeProxyError('ERR_NODE_PROXY_SELF_CALL', 'attempted recursive call to ourselves');

/** The error of a connection whose peer's certificate was revoked (flag `CERT_REVOKED`). */
export const revokedPeer = (cause?: unknown): NodeProxyError =>
  new NodeProxyError('ERR_NODE_PROXY_REVOKED', 'connection closed: peer certificate revoked by CRL', { cause });

/** Errors of a failure from the outside in: what wraps, then its causes. */
function* causesOf(error: unknown): Generator<object> {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && typeof current === 'object' && current !== null; depth += 1) {
    yield current;
    current = 'cause' in current ? current.cause : undefined;
  }
}

/** True when a revoked certificate is at the bottom of a failure. */
export function isRevoked(error: unknown): boolean {
  return responseFlagOf(error) === 'CERT_REVOKED';
}

const FLAG_BY_CODE: Readonly<Record<string, ResponseFlag>> = {
  ERR_NODE_PROXY_DENIED: 'DENY',
  ERR_NODE_PROXY_POLICY_CHANGE: 'DENY',
  ERR_NODE_PROXY_IDENTITY: 'IDENTITY_ERROR',
  ERR_NODE_PROXY_TLS: 'TLS_FAILURE',
  ERR_NODE_PROXY_REVOKED: 'CERT_REVOKED',
  ERR_HBONE_CONNECT_TIMEOUT: 'NETWORK_POLICY',
  ERR_HBONE_CONNECTION_LOST: 'H2_HANDSHAKE_FAILURE',
  ERR_HBONE_PING_TIMEOUT: 'H2_HANDSHAKE_FAILURE',
  ERR_IDENTITY_REVOKED: 'CERT_REVOKED',
};

/**
 * Flag of a finished connection: `-` without an error, `CONNECT` for every error without a flag of its own. A revoked
 * certificate wins over what it caused; otherwise the outermost error that has a flag decides.
 */
export function responseFlagOf(error: unknown): ResponseFlag {
  if (error === undefined) return '-';
  const flags = [...causesOf(error)].flatMap((one) => {
    const code = 'code' in one && typeof one.code === 'string' ? one.code : '';
    return FLAG_BY_CODE[code] ?? [];
  });
  return flags.find((flag) => flag === 'CERT_REVOKED') ?? flags[0] ?? 'CONNECT';
}

/** One line of text for the `error` key of the access log. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
