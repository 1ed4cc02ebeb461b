/**
 * Service account tokens: signed ES256 JWTs and their verification (spec/local-cluster.md 7.2). In: account, audience,
 * bound object; out: token, or the user a token stands for. Called by TokenRequest, TokenReview and authentication.
 */

import { createHash, createPrivateKey, randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { exportJWK, jwtVerify, SignJWT } from 'jose';
import type { JWK } from 'jose';
import { badRequest, notFound } from '../api/status.ts';
import { isObject, textAt } from '../api/json.ts';
import type { KubeObject } from '../store/kube-object.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { publicKeyOf } from './certificate.ts';
import type { UserInfo } from './user.ts';

/** Issuer of every token, and the default audience. */
export const tokenIssuerName = 'https://kubernetes.default.svc.cluster.local';

/** A request for a token. */
export interface TokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audiences?: readonly string[];
  /** At least 600; default 3600. */
  readonly ttlSeconds?: number;
  readonly pod?: { readonly name: string; readonly uid: string };
  readonly secret?: { readonly name: string; readonly uid: string };
  readonly node?: { readonly name: string; readonly uid: string };
}

/** A token and its end. */
export interface IssuedToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** A verified token. */
export interface VerifiedToken {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

const minimumSeconds = 600;

function extraOf(claims: Record<string, unknown>, tokenId: string): Record<string, readonly string[]> {
  const extra: Record<string, readonly string[]> = {};
  if (tokenId !== '') extra['authentication.kubernetes.io/credential-id'] = [`JTI=${tokenId}`];
  for (const name of ['node', 'pod'] as const) {
    const bound = claims[name];
    if (!isObject(bound)) continue;
    extra[`authentication.kubernetes.io/${name}-name`] = [textAt(bound, 'name')];
    extra[`authentication.kubernetes.io/${name}-uid`] = [textAt(bound, 'uid')];
  }
  return extra;
}

/** Signs and verifies. */
export class TokenIssuer {
  readonly #store: ObjectStore;
  readonly #key: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #keyId: string;
  readonly #now: () => number;

  constructor(store: ObjectStore, signingKeyPem: string, now: () => number) {
    this.#store = store;
    this.#key = createPrivateKey(signingKeyPem);
    this.#publicKey = publicKeyOf(signingKeyPem);
    this.#keyId = createHash('sha256')
      .update(this.#publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url');
    this.#now = now;
  }

  /** The public keys for `/openid/v1/jwks`. */
  async jwks(): Promise<{ keys: JWK[] }> {
    return { keys: [{ ...(await exportJWK(this.#publicKey)), use: 'sig', kid: this.#keyId, alg: 'ES256' }] };
  }

  #account(namespace: string, name: string): KubeObject {
    const account = this.#store.get('serviceaccounts', namespace, name);
    if (account === undefined) throw notFound({ group: '', resource: 'serviceaccounts' }, name);
    return account;
  }

  /** Issues a token; throws `ApiError` when the account or the bound pod is missing. */
  async issue(request: TokenRequest): Promise<IssuedToken> {
    const account = this.#account(request.namespace, request.serviceAccount);
    const ttlSeconds = request.ttlSeconds ?? 3600;
    if (ttlSeconds < minimumSeconds) throw badRequest('may not specify a duration less than 10 minutes');
    const node = request.node ?? this.#nodeOf(request);
    const issuedAt = Math.floor(this.#now() / 1000);
    const subject = `system:serviceaccount:${request.namespace}:${request.serviceAccount}`;
    const token = await new SignJWT({
      'kubernetes.io': {
        namespace: request.namespace,
        ...(node === undefined ? {} : { node }),
        ...(request.pod === undefined ? {} : { pod: request.pod }),
        ...(request.secret === undefined ? {} : { secret: request.secret }),
        serviceaccount: { name: request.serviceAccount, uid: account.metadata.uid },
      },
    })
      .setProtectedHeader({ alg: 'ES256', kid: this.#keyId })
      .setIssuer(tokenIssuerName)
      .setSubject(subject)
      .setAudience([
        ...(request.audiences === undefined || request.audiences.length === 0 ? [tokenIssuerName] : request.audiences),
      ])
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + ttlSeconds)
      .setJti(randomUUID())
      .sign(this.#key);
    return { token, expiresAtMs: (issuedAt + ttlSeconds) * 1000 };
  }

  #nodeOf(request: TokenRequest): { name: string; uid: string } | undefined {
    if (request.pod === undefined) return undefined;
    const pod = this.#store.get('pods', request.namespace, request.pod.name);
    const node = this.#store.get('nodes', '', textAt(pod, 'spec', 'nodeName'));
    return node === undefined ? undefined : { name: node.metadata.name ?? '', uid: node.metadata.uid ?? '' };
  }

  /** The user of a token for any of the audiences; rejects with an Error that says why not. */
  async verify(token: string, audiences: readonly string[]): Promise<VerifiedToken> {
    const { payload } = await jwtVerify(token, this.#publicKey, {
      issuer: tokenIssuerName,
      algorithms: ['ES256'],
      currentDate: new Date(this.#now()),
    });
    const own = Array.isArray(payload.aud) ? payload.aud : [payload.aud ?? ''];
    const shared = own.filter((audience) => audiences.includes(audience));
    if (shared.length === 0) {
      throw new Error(
        `token audiences [${own.map((name) => JSON.stringify(name)).join(' ')}] is invalid for the target audiences [${audiences.map((name) => JSON.stringify(name)).join(' ')}]`,
      );
    }
    const claims = payload['kubernetes.io'];
    if (!isObject(claims)) throw new Error('token has no kubernetes.io claim');
    const namespace = textAt(claims, 'namespace');
    const name = textAt(claims, 'serviceaccount', 'name');
    const uid = textAt(claims, 'serviceaccount', 'uid');
    this.#checkLive('serviceaccounts', namespace, name, uid, 'service account');
    for (const bound of ['pod', 'secret'] as const) {
      const object = claims[bound];
      if (isObject(object))
        this.#checkLive(`${bound}s`, namespace, textAt(object, 'name'), textAt(object, 'uid'), bound);
    }
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    return {
      user: {
        username: `system:serviceaccount:${namespace}:${name}`,
        uid,
        groups,
        extra: extraOf(claims, payload.jti ?? ''),
      },
      audiences: shared,
    };
  }

  #checkLive(resource: string, namespace: string, name: string, uid: string, what: string): void {
    const object = this.#store.get(resource, namespace, name);
    if (object === undefined) throw new Error(`${what} ${namespace}/${name} has been deleted`);
    if (object.metadata.uid !== uid)
      throw new Error(`${what} UID (${object.metadata.uid ?? ''}) does not match claim (${uid})`);
  }
}
