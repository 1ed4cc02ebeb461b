/**
 * Certificates pushed by the main thread in; TLS contexts and peer checks per identity out. One per data thread.
 *
 * The main thread owns the certificate manager; a data thread asks once per identity and then receives renewals. One
 * TLS context per certificate is shared by all connections (decisions 6); connections keep the one they began with.
 */
import { createPeerVerifier, type PeerVerifier } from '@ambit/identity/peer';
import { parseSpiffeId } from '@ambit/identity/spiffe';
import { createTrustStore, type TrustStore } from '@ambit/identity/trust-store';
import type { WorkloadCertificate } from '@ambit/identity/workload-certificate';
import type { RevocationLists } from '@ambit/identity/x509/crl';
import { createTlsContext, type TlsContext } from '@ambit/net';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import type { DataConfig } from '../threads/messages.ts';

/** What a connection needs to prove and check identities. */
export interface TlsIdentity {
  readonly identity: string;
  readonly serial: string;
  readonly context: TlsContext;
  /** Check of a client: same trust domain as ours. */
  readonly verifyClient: PeerVerifier;
  /** Check of a server: one of these identities. */
  verifyServer(expected: readonly string[]): PeerVerifier;
}

/** The certificates of one data thread. */
export interface ThreadCertificates {
  /** Waits for the certificate. Rejects with `ERR_NODE_PROXY_IDENTITY` when it cannot be had. */
  get(identity: string): Promise<TlsIdentity>;
  onCertificate(certificate: WorkloadCertificate): void;
  onFailure(identity: string, message: string): void;
  forget(identity: string): void;
}

/** Most peer checks kept per identity; they are cheap to make again. */
const MAX_VERIFIERS = 1024;

/** Makes an empty cache. `need` asks the main thread for an identity, `crl` is the revocation list of now. */
export function createThreadCertificates(options: {
  readonly need: (identity: string) => void;
  readonly crl: () => RevocationLists | undefined;
  readonly tls: DataConfig['tls'];
}): ThreadCertificates {
  const ready = new Map<string, TlsIdentity>();
  const waiting = new Map<string, PromiseWithResolvers<TlsIdentity>>();
  return {
    async get(identity) {
      const known = ready.get(identity);
      if (known !== undefined) return known;
      let pending = waiting.get(identity);
      if (pending === undefined) {
        pending = Promise.withResolvers<TlsIdentity>();
        waiting.set(identity, pending);
        options.need(identity);
      }
      return pending.promise;
    },
    onCertificate(certificate) {
      // A waiting thread may get the same one twice: as the answer and as news to all.
      if (ready.get(certificate.identity)?.serial === certificate.serial) return;
      try {
        const made = tlsIdentityOf(certificate, options);
        ready.set(certificate.identity, made);
        waiting.get(certificate.identity)?.resolve(made);
      } catch (cause) {
        // Only those who wait learn of it; who has an older certificate goes on with that one.
        waiting.get(certificate.identity)?.reject(unusable(certificate.identity, cause));
      }
      waiting.delete(certificate.identity);
    },
    onFailure(identity, message) {
      waiting.get(identity)?.reject(new NodeProxyError('ERR_NODE_PROXY_IDENTITY', `identity error: ${message}`));
      waiting.delete(identity);
    },
    forget(identity) {
      ready.delete(identity);
      waiting
        .get(identity)
        ?.reject(new NodeProxyError('ERR_NODE_PROXY_IDENTITY', 'identity error: the identity is no longer needed'));
      waiting.delete(identity);
    },
  };
}

function unusable(identity: string, cause: unknown): NodeProxyError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new NodeProxyError('ERR_NODE_PROXY_TLS', `tls error: the certificate of ${identity} cannot be used: ${why}`, {
    cause,
    hint: 'the certificate authority answered with a broken certificate or root',
  });
}

function tlsIdentityOf(
  certificate: WorkloadCertificate,
  { crl, tls }: { readonly crl: () => RevocationLists | undefined; readonly tls: DataConfig['tls'] },
): TlsIdentity {
  const roots = createTrustStore({ rootsPem: certificate.rootsPem });
  const trustDomain = parseSpiffeId(certificate.identity)?.trustDomain;
  return {
    identity: certificate.identity,
    serial: certificate.serial,
    context: createTlsContext({
      certChainPem: certificate.certChainPem,
      privateKeyPem: certificate.privateKeyPem,
      rootsPem: certificate.rootsPem,
      ...tls,
    }),
    verifyClient: createPeerVerifier({
      roots,
      peerRole: 'client',
      uriNames: 'first-parsable',
      crl,
      ...(trustDomain === undefined ? {} : { trustDomain }),
    }),
    verifyServer: serverVerifiers(roots, crl),
  };
}

function serverVerifiers(
  roots: TrustStore,
  crl: () => RevocationLists | undefined,
): (expected: readonly string[]) => PeerVerifier {
  const made = new Map<string, PeerVerifier>();
  return (expected) => {
    const key = expected.join('\n');
    let verifier = made.get(key);
    if (verifier === undefined) {
      if (made.size >= MAX_VERIFIERS) made.clear();
      verifier = createPeerVerifier({ roots, peerRole: 'server', expected, uriNames: 'first-parsable', crl });
      made.set(key, verifier);
    }
    return verifier;
  };
}
