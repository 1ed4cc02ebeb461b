// The check of a TLS peer, once for all TLS engines (decision W22). In: the DER chain, leaf first. Out: who the peer is, or a
// throw before its first byte is delivered. Called by @ambit/net's secureClient and secureServer on the data threads.

import { IdentityError } from './errors.ts';
import { parseSpiffeId } from './spiffe.ts';
import type { SpiffeId } from './spiffe.ts';
import { createTrustStore } from './trust-store.ts';
import type { TrustStore } from './trust-store.ts';
import type { RevocationLists } from './x509/crl.ts';
import type { CertificatePath } from './x509/verify-chain.ts';

/** An authenticated peer. */
export interface PeerIdentity {
  /** The identity URI, `spiffe://…`. */
  readonly uri: string;
  readonly id: SpiffeId;
  /** Verified path, leaf first, root last; kept so that a later revocation list can judge a live session again. */
  readonly path: CertificatePath;
  /** End of the shortest-lived certificate of the path, milliseconds since the epoch. */
  readonly notAfter: number;
}

/** What a peer must fulfil. */
export interface PeerVerifierOptions {
  /** PEM of the trusted roots, or a store that several verifiers share (it caches verified chains). */
  readonly roots: string | TrustStore;
  /** What the peer is in the handshake; decides which extended key usage it needs. */
  readonly peerRole: 'client' | 'server';
  /** Identity URIs of which one must be the peer's (spec/node-proxy.md 5.6). An empty list never matches. Absent = not checked. */
  readonly expected?: readonly string[];
  /** Exact trust domain of the peer. Absent = not checked. */
  readonly trustDomain?: string;
  /** Read at every handshake, so that a reload takes effect at once. */
  readonly crl?: () => RevocationLists | undefined;
  /**
   * `exactly-one` (default): the certificate must carry one URI name and it must be an identity (X.509-SVID section 2).
   * `first-parsable`: several are accepted, the first identity counts, any of them may match (what ztunnel does).
   */
  readonly uriNames?: 'exactly-one' | 'first-parsable';
  /** Milliseconds since the epoch; used only when `roots` is PEM. */
  readonly now?: () => number;
}

/** Verifies the chain of one peer; throws IdentityError to refuse. */
export type PeerVerifier = (chain: readonly Buffer[]) => PeerIdentity;

/**
 * Makes the synchronous check that the TLS engines call. Refusals: the codes of TrustStore.verify, ERR_IDENTITY_REVOKED,
 * ERR_IDENTITY_NO_SPIFFE_ID, ERR_IDENTITY_WRONG_TRUST_DOMAIN, ERR_IDENTITY_UNEXPECTED_PEER.
 */
export function createPeerVerifier(options: PeerVerifierOptions): PeerVerifier {
  const store =
    typeof options.roots === 'string' ? createTrustStore(trustOptions(options.roots, options.now)) : options.roots;
  return (chain) => {
    const path = store.verify(chain, options.peerRole);
    if (options.crl?.()?.isRevoked(path) === true) throw revoked(path);
    const identities = identitiesOf(path, options.uriNames ?? 'exactly-one');
    const matching = matchTrustDomain(identities, options.trustDomain);
    matchExpected(matching, options.expected);
    const [first] = identities;
    return { ...first, path, notAfter: Math.min(...path.map((certificate) => certificate.notAfter)) };
  };
}

interface Identity {
  readonly uri: string;
  readonly id: SpiffeId;
}

function trustOptions(rootsPem: string, now: (() => number) | undefined): Parameters<typeof createTrustStore>[0] {
  return now === undefined ? { rootsPem } : { rootsPem, now };
}

function identitiesOf(
  path: CertificatePath,
  rule: 'exactly-one' | 'first-parsable',
): readonly [Identity, ...Identity[]] {
  const { uris } = path[0].names;
  const [first, ...others] = uris.flatMap((uri) => {
    const id = parseSpiffeId(uri);
    return id === undefined ? [] : [{ uri, id }];
  });
  if (first === undefined) {
    throw new IdentityError(
      'ERR_IDENTITY_NO_SPIFFE_ID',
      `the peer certificate carries no identity among ${uris.length} uri names`,
    );
  }
  if (rule === 'exactly-one' && uris.length !== 1) {
    throw new IdentityError(
      'ERR_IDENTITY_NO_SPIFFE_ID',
      `the peer certificate carries ${uris.length} uri names instead of one`,
    );
  }
  return [first, ...others];
}

function matchTrustDomain(identities: readonly Identity[], trustDomain: string | undefined): readonly Identity[] {
  if (trustDomain === undefined) return identities;
  const matching = identities.filter((identity) => identity.id.trustDomain === trustDomain);
  if (matching.length > 0) return matching;
  const found = identities[0]?.id.trustDomain ?? '';
  throw new IdentityError(
    'ERR_IDENTITY_WRONG_TRUST_DOMAIN',
    `identity verification error: peer did not present the expected trustdomain (${trustDomain}), got ${found}`,
  );
}

function matchExpected(identities: readonly Identity[], expected: readonly string[] | undefined): void {
  if (expected === undefined || identities.some((identity) => expected.includes(identity.uri))) return;
  const found = identities.map((identity) => identity.uri).join(', ');
  throw new IdentityError(
    'ERR_IDENTITY_UNEXPECTED_PEER',
    `identity verification error: peer did not present the expected SAN (${expected.join(', ')}), got ${found}`,
    {
      hint: 'the address may have been given to another workload a moment ago',
    },
  );
}

function revoked(path: CertificatePath): IdentityError {
  return new IdentityError('ERR_IDENTITY_REVOKED', `peer certificate ${path[0].serial} is revoked by CRL`);
}
