// SPIFFE identities as text. In: URIs from certificates, WDS and the CA. Out: parsed ids and principals.
// Called by everything that names a workload; pure, any thread.

/** Longest identity URI that is read, in UTF-16 units (the SPIFFE ID specification sets 2048 bytes). */
export const MAX_SPIFFE_ID_LENGTH = 2048;

const scheme = 'spiffe://';

/** An Istio workload identity `spiffe://<trustDomain>/ns/<namespace>/sa/<serviceAccount>`. Parts may be empty. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/**
 * Reads an identity URI. Anything but the exact five-part Istio form is `undefined`: parts may be empty, nothing may
 * follow, case matters (spec/node-proxy.md 7.1).
 */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  if (uri.length > MAX_SPIFFE_ID_LENGTH || !uri.startsWith(scheme)) return undefined;
  const [trustDomain, ns, namespace, sa, serviceAccount, ...rest] = uri.slice(scheme.length).split('/', 6);
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  if (ns !== 'ns' || sa !== 'sa' || rest.length > 0) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/** Writes the URI form. The inverse of {@link parseSpiffeId} for parts without a slash. */
export function formatSpiffeId(id: SpiffeId): string {
  return `${scheme}${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** The form that policies compare: the URI without `spiffe://`. Text that is no such URI is returned unchanged. */
export function principalOf(uri: string): string {
  return uri.startsWith(scheme) ? uri.slice(scheme.length) : uri;
}
