// Client certificate, token, or the word of a trusted gateway -> who calls (spec control-plane 4.6). In: facts of a call. Out: identity, or
// undefined to refuse. Called by the xDS server and the CA; main thread. Verdicts are remembered for a minute, refusals not at all.
import { createHash } from 'node:crypto';
import type { KubeClient } from '@ambit/kube';
import { formatSpiffeId, type PeerIdentity } from '@ambit/identity';
import type { Prefix } from '@ambit/model/ip';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { forwardedIdentity, isTrustedPeer } from './forwarded-certificate.ts';
import { createJwtVerifier, type JwtRule } from './jwt-rule.ts';

/** An authenticated workload. */
export interface Caller {
  readonly identities: readonly string[];
  readonly namespace: string;
  readonly serviceAccount: string;
  /** From the token, when it is bound to a pod; empty otherwise. */
  readonly podName: string;
  readonly podUid: string;
  /** Cluster whose API server said who it is; ours for certificates. */
  readonly clusterId: string;
}

/** What a call brings. */
export interface Credentials {
  /** Header `authorization`. */
  readonly authorization: string | undefined;
  /** `<ip>:<port>`. */
  readonly peer: string;
  /** Leaf of the TLS client, DER. */
  readonly certificate?: Buffer | undefined;
  /** What the caller says about its cluster (header `clusterid`); absent means ours. */
  readonly clusterId?: string | undefined;
  /** Header `x-forwarded-client-cert`. */
  readonly forwarded?: string | undefined;
}

/** Says who calls. */
export interface Authenticator {
  /** The first proof that holds, in the order of upstream: certificate, token of another issuer, token of a cluster, word of a gateway. Never rejects. */
  authenticate(credentials: Credentials): Promise<Caller | undefined>;
}

/** Settings of {@link createAuthenticator}. */
export interface AuthenticatorOptions {
  readonly client: KubeClient;
  /** Id of our own cluster. */
  readonly clusterId: string;
  /** The API of another cluster of the mesh; undefined = there is none of that id. */
  readonly remoteClient?: (clusterId: string) => KubeClient | undefined;
  readonly audiences: readonly string[];
  readonly trustDomain: () => string;
  /** Judges the leaf of a client in DER; throws to refuse. Absent: certificates do not count. */
  readonly verifyCertificate?: (leaf: Buffer) => PeerIdentity;
  /** `JWT_RULE`. Absent: tokens of clusters only. */
  readonly jwtRule?: JwtRule | undefined;
  /** `TRUSTED_GATEWAY_CIDR`: whose word about clients counts. Default nobody's. */
  readonly trustedGateways?: readonly Prefix[];
  readonly log: Logger;
}

const REMEMBER_MS = 60_000;
const MAX_REMEMBERED = 10_000;
const MAX_TOKEN_CHARACTERS = 16_384;
const ACCOUNT_PREFIX = 'system:serviceaccount:';
const EXTRA = 'authentication.kubernetes.io/';

/** Makes an authenticator that asks the API server about tokens. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { audiences, trustDomain, log } = options;
  const known = new Map<string, { readonly caller: Caller; readonly until: number }>();

  const review = async (token: string, clusterId: string): Promise<Caller | string> => {
    // A cluster that we do not know cannot vouch for anybody (spec control-plane 4.6).
    const client = clusterId === options.clusterId ? options.client : options.remoteClient?.(clusterId);
    if (client === undefined) return `cluster ${clusterId.slice(0, 64)} is not known`;
    const verdict = await client.reviewToken(token, audiences);
    if (!verdict.isAuthenticated) return verdict.error === '' ? 'token not authenticated' : verdict.error;
    // A server that does not know audiences answers without any and must not be trusted to have checked them.
    if (!verdict.audiences.some((audience) => audiences.includes(audience))) return 'token has another audience';
    if (!verdict.groups.includes('system:serviceaccounts')) return 'token is not of a service account';
    const [namespace, serviceAccount, ...rest] = verdict.username.startsWith(ACCOUNT_PREFIX)
      ? verdict.username.slice(ACCOUNT_PREFIX.length).split(':')
      : [];
    if (!namespace || !serviceAccount || rest.length > 0) return `unexpected user name ${verdict.username}`;
    return {
      identities: [formatSpiffeId({ trustDomain: trustDomain(), namespace, serviceAccount })],
      namespace,
      serviceAccount,
      podName: verdict.extra[`${EXTRA}pod-name`]?.[0] ?? '',
      podUid: verdict.extra[`${EXTRA}pod-uid`]?.[0] ?? '',
      clusterId,
    };
  };

  const callerOfCertificate = (certificate: Buffer, peer: string): Caller | undefined => {
    try {
      const verified = options.verifyCertificate?.(certificate);
      if (verified === undefined) return undefined;
      const { namespace, serviceAccount } = verified.id;
      // A certificate is bound to no pod, so it never allows to act for others.
      return {
        identities: [verified.uri],
        namespace,
        serviceAccount,
        podName: '',
        podUid: '',
        clusterId: options.clusterId,
      };
    } catch (error) {
      log.info('client certificate does not count', { peer, error: messageOf(error) });
      return undefined;
    }
  };

  const verifyJwt = options.jwtRule && createJwtVerifier(options.jwtRule);
  /** A service account without a pod: it acts for itself only. */
  const unbound = (namespace: string, serviceAccount: string): Caller => ({
    identities: [formatSpiffeId({ trustDomain: trustDomain(), namespace, serviceAccount })],
    namespace,
    serviceAccount,
    podName: '',
    podUid: '',
    clusterId: options.clusterId,
  });

  const callerOfToken = async (token: string, peer: string, clusterId: string): Promise<Caller | undefined> => {
    const key = createHash('sha256').update(`${clusterId} ${token}`).digest('base64');
    const remembered = known.get(key);
    if (remembered !== undefined && remembered.until > Date.now()) return remembered.caller;
    known.delete(key);
    const own = await verifyJwt?.(token);
    if (typeof own === 'object') return unbound(own.namespace, own.serviceAccount);
    try {
      const caller = await review(token, clusterId);
      if (typeof caller === 'string') {
        log.warn('token refused', { peer, reason: caller, ...(own !== undefined && { otherIssuer: own }) });
        return undefined;
      }
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(key, { caller, until: Date.now() + REMEMBER_MS });
      return caller;
    } catch (error) {
      log.warn('token review failed', { peer, error: messageOf(error) });
      return undefined;
    }
  };

  const callerOfGateway = (forwarded: string, peer: string): Caller | undefined => {
    if (!isTrustedPeer(peer, options.trustedGateways ?? [])) return undefined;
    const identity = forwardedIdentity(forwarded);
    // A certificate is signed for the identity of its caller: it must be one that is ours to give.
    if (identity?.id.trustDomain !== trustDomain()) {
      log.warn('forwarded certificate does not count', { peer });
      return undefined;
    }
    return { ...unbound(identity.id.namespace, identity.id.serviceAccount), identities: [identity.uri] };
  };

  return {
    async authenticate({ authorization, peer, certificate, clusterId = options.clusterId, forwarded }) {
      const proven = certificate && callerOfCertificate(certificate, peer);
      if (proven !== undefined) return proven;
      const token = tokenOf(authorization);
      const caller = token === undefined ? undefined : await callerOfToken(token, peer, clusterId);
      if (caller !== undefined) return caller;
      const told = forwarded === undefined ? undefined : callerOfGateway(forwarded, peer);
      if (told === undefined && token === undefined) log.info('call without a bearer token', { peer });
      return told;
    },
  };
}

/** The token of an `authorization` header; undefined = there is none. */
export function tokenOf(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > MAX_TOKEN_CHARACTERS) return undefined;
  const isBearer = authorization.slice(0, 7).toLowerCase() === 'bearer ';
  const token = isBearer ? authorization.slice(7).trim() : '';
  return token === '' ? undefined : token;
}
