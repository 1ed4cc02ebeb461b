// Errors that proxies record and policies do not explain. In: the text of an error. Out: what it means and what to do. Pure. Called by conn.ts.

interface KnownError {
  readonly part: string;
  readonly why: string;
  readonly hint: string;
}

/** Texts are those of node-proxy.md 9.2 and of response flags; the first that is part of an error counts. */
const knownErrors: readonly KnownError[] = [
  {
    part: 'NetworkPolicy is blocking HBONE port',
    why: 'nothing answered on port 15008 of the other node: a NetworkPolicy does not admit it, or the pod is gone',
    hint: 'ambit check network-policy',
  },
  {
    part: 'unknown waypoint',
    why: 'the waypoint that a label names has no address yet',
    hint: 'ambit waypoint status -A',
  },
  { part: 'no healthy upstream', why: 'no endpoint of the service is ready', hint: 'kubectl get endpointslices' },
  {
    part: 'connection closed due to policy change',
    why: 'it was open when a policy came that refuses it',
    hint: 'ambit policy where POLICY',
  },
  {
    part: 'connection closed due to connection drain',
    why: 'the node proxy was replaced, and the connection was older than its drain limit',
    hint: 'ambit node list',
  },
  {
    part: 'failed to fetch information about local workload',
    why: 'the control plane had no record of the pod in time',
    hint: 'ambit proxy-status',
  },
  { part: 'tls handshake error', why: 'a certificate was not accepted', hint: 'ambit cert verify DESTINATION' },
  { part: 'tls error', why: 'a certificate was not accepted', hint: 'ambit cert verify DESTINATION' },
  { part: 'identity error', why: 'the node proxy has no certificate for the pod', hint: 'ambit cert list' },
];

/** What is known of an error; undefined when nothing is. */
export const knownError = (error: string): { readonly why: string; readonly hint: string } | undefined =>
  knownErrors.find(({ part }) => error.includes(part));
