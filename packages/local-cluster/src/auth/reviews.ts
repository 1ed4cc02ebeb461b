/**
 * Review kinds: create-only objects that answer a question (spec/local-cluster.md 7.1, 7.2). In: the review and who
 * asks; out: the review with its status. Called by POST on their collections.
 */

import { isObject, listAt, objectAt, textAt, valueAt } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { timeText } from '../api/write/context.ts';
import type { AccessAttributes, Authorizer } from './rbac.ts';
import { TokenIssuer, tokenIssuerName } from './token-issuer.ts';
import { mastersGroup } from './user.ts';
import type { UserInfo } from './user.ts';

/** What reviews need. */
export interface ReviewServices {
  readonly authorizer: Authorizer;
  readonly issuer: TokenIssuer;
  /** The user of a token that was given at the start. */
  readonly staticUser: (token: string) => UserInfo | undefined;
}

const texts = (list: readonly unknown[]): string[] => list.filter((item) => typeof item === 'string');

function attributesOf(spec: JsonObject): AccessAttributes {
  const path = objectAt(spec, 'nonResourceAttributes');
  const resource = objectAt(spec, 'resourceAttributes') ?? {};
  return {
    verb: textAt(path ?? resource, 'verb'),
    group: textAt(resource, 'group'),
    resource: textAt(resource, 'resource'),
    subresource: textAt(resource, 'subresource'),
    namespace: textAt(resource, 'namespace'),
    name: textAt(resource, 'name'),
    path: path === undefined ? undefined : textAt(path, 'path'),
  };
}

const userInfo = (user: UserInfo): JsonObject => ({
  username: user.username,
  ...(user.uid === undefined ? {} : { uid: user.uid }),
  groups: [...user.groups],
  ...(user.extra === undefined || Object.keys(user.extra).length === 0 ? {} : { extra: user.extra }),
});

async function tokenStatus(spec: JsonObject, services: ReviewServices): Promise<JsonObject> {
  const wanted = texts(listAt(spec, 'audiences'));
  const audiences = wanted.length === 0 ? [tokenIssuerName] : wanted;
  // Such tokens have no audience of their own: they are for the API server.
  const known = audiences.includes(tokenIssuerName) ? services.staticUser(textAt(spec, 'token')) : undefined;
  if (known !== undefined) return { authenticated: true, user: userInfo(known), audiences: [tokenIssuerName] };
  try {
    const verified = await services.issuer.verify(textAt(spec, 'token'), audiences);
    return { authenticated: true, user: userInfo(verified.user), audiences: [...verified.audiences] };
  } catch (error) {
    return { user: {}, error: error instanceof Error ? error.message : 'token is not valid' };
  }
}

function rulesStatus(user: UserInfo, namespace: string, services: ReviewServices): JsonObject {
  if (user.groups.includes(mastersGroup)) {
    return {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    };
  }
  const rules = services.authorizer
    .rulesOf(user)
    .filter((item) => item.namespace === undefined || item.namespace === namespace);
  const isPath = (rule: JsonObject): boolean => listAt(rule, 'nonResourceURLs').length > 0;
  return {
    resourceRules: rules.filter(({ rule }) => !isPath(rule)).map(({ rule }) => rule),
    nonResourceRules: rules.filter(({ rule }) => isPath(rule)).map(({ rule }) => rule),
    incomplete: false,
  };
}

const accessStatus = (user: UserInfo, spec: JsonObject, services: ReviewServices): JsonObject => {
  const allowed = services.authorizer.allows(user, attributesOf(spec));
  return allowed ? { allowed } : { allowed, reason: '' };
};

function specUser(spec: JsonObject): UserInfo {
  return { username: textAt(spec, 'user'), groups: texts(listAt(spec, 'groups')) };
}

/** Answers a review; undefined when the kind is not a review. */
export async function answerReview(
  kind: string,
  body: JsonObject,
  user: UserInfo,
  services: ReviewServices,
): Promise<JsonObject | undefined> {
  const spec = isObject(body['spec']) ? body['spec'] : {};
  const answer = (status: JsonObject): JsonObject => ({ ...body, metadata: body['metadata'] ?? {}, status });
  switch (kind) {
    case 'TokenReview':
      return answer(await tokenStatus(spec, services));
    case 'SelfSubjectReview':
      return answer({ userInfo: userInfo(user) });
    case 'SelfSubjectAccessReview':
      return answer(accessStatus(user, spec, services));
    case 'SubjectAccessReview':
    case 'LocalSubjectAccessReview':
      return answer(accessStatus(specUser(spec), spec, services));
    case 'SelfSubjectRulesReview':
      return answer(rulesStatus(user, textAt(spec, 'namespace'), services));
    default:
      return undefined;
  }
}

/** Answers a TokenRequest for an account. */
export async function answerTokenRequest(
  body: JsonObject,
  namespace: string,
  serviceAccount: string,
  services: ReviewServices,
): Promise<JsonObject> {
  const spec = isObject(body['spec']) ? body['spec'] : {};
  const bound = objectAt(spec, 'boundObjectRef');
  const ttl = valueAt(spec, ['expirationSeconds']);
  const seconds = typeof ttl === 'number' ? ttl : 3600;
  const audiences = texts(listAt(spec, 'audiences'));
  const ref = bound === undefined ? undefined : { name: textAt(bound, 'name'), uid: textAt(bound, 'uid') };
  const issued = await services.issuer.issue({
    namespace,
    serviceAccount,
    audiences,
    ttlSeconds: seconds,
    ...(ref !== undefined && textAt(bound, 'kind') === 'Pod' ? { pod: ref } : {}),
    ...(ref !== undefined && textAt(bound, 'kind') === 'Node' ? { node: ref } : {}),
  });
  return {
    ...body,
    metadata: { name: serviceAccount, namespace },
    spec: {
      audiences: audiences.length === 0 ? [tokenIssuerName] : audiences,
      expirationSeconds: seconds,
      boundObjectRef: bound ?? null,
    },
    status: { token: issued.token, expirationTimestamp: timeText(issued.expiresAtMs) },
  };
}
