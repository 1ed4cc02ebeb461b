/**
 * Nobody hands out rights that they do not have. In: a change of a role or binding and who makes it; out: the object, or
 * 403. One of the admission steps of the API server; pure but for reading roles through the authorizer. Main thread.
 */

import { isObject, listAt, textAt } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { forbidden } from '../api/status.ts';
import type { Admission } from '../api/write/context.ts';
import { ruleAllows } from './rbac.ts';
import type { AccessAttributes, Authorizer, ScopedRule } from './rbac.ts';
import { mastersGroup } from './user.ts';
import type { UserInfo } from './user.ts';

const group = 'rbac.authorization.k8s.io';
const suffix = `.${group}`;

/** The step for an API server. */
export function guardRoles(authorizer: Authorizer): Admission {
  return ({ resource, object, previous, operation, user }) => {
    const kind = resource.endsWith(suffix) ? resource.slice(0, -suffix.length) : '';
    if (operation === 'DELETE' || user === undefined || kind === '' || user.groups.includes(mastersGroup))
      return object;
    const isBinding = kind === 'rolebindings' || kind === 'clusterrolebindings';
    const given = isBinding ? authorizer.rulesOfBinding(object) : listAt(object, 'rules');
    const before = previous === undefined || isBinding ? [] : listAt(previous, 'rules');
    const fresh = given.filter((rule) => !before.some((old) => JSON.stringify(old) === JSON.stringify(rule)));
    const namespace = object.metadata.namespace ?? '';
    const name = object.metadata.name ?? '';
    const verb = isBinding ? 'bind' : 'escalate';
    const target = isBinding ? (textAt(object, 'roleRef', 'kind') === 'Role' ? 'roles' : 'clusterroles') : kind;
    const roleName = isBinding ? textAt(object, 'roleRef', 'name') : name;
    const wanted = { verb, group, resource: target, subresource: '', namespace, name: roleName, path: undefined };
    if (authorizer.allows(user, wanted)) return object;
    const own = authorizer.rulesOf(user);
    const missing = fresh.filter(isObject).filter((rule) => !isCovered(rule, own, namespace));
    if (missing.length === 0) return object;
    throw forbidden({ group, resource: kind }, name, refusal(user, missing));
  };
}

const texts = (rule: JsonObject, field: string): string[] =>
  listAt(rule, field).filter((each) => typeof each === 'string');

/** Every single right of the rule is one that the user has, in the same namespace or everywhere. */
function isCovered(rule: JsonObject, own: readonly ScopedRule[], namespace: string): boolean {
  const usable = own
    .filter((each) => each.namespace === undefined || (namespace !== '' && each.namespace === namespace))
    .map((each) => each.rule);
  const toAll = usable.filter((each) => listAt(each, 'resourceNames').length === 0);
  const names = texts(rule, 'resourceNames');
  return texts(rule, 'verbs').every(
    (verb) =>
      texts(rule, 'nonResourceURLs').every((path) => hasAny(usable, { ...nothing, verb, path })) &&
      texts(rule, 'apiGroups').every((apiGroup) =>
        texts(rule, 'resources').every((resource) => {
          const wanted = { ...nothing, verb, group: apiGroup, ...withSubresource(resource) };
          return names.length === 0
            ? hasAny(toAll, wanted)
            : names.every((name) => hasAny(usable, { ...wanted, name }));
        }),
      ),
  );
}

const nothing = { group: '', resource: '', subresource: '', namespace: '', name: '', path: undefined };

const hasAny = (rules: readonly JsonObject[], wanted: AccessAttributes): boolean =>
  rules.some((rule) => ruleAllows(rule, wanted));

/** `pods/log` as requests have it. */
function withSubresource(text: string): Pick<AccessAttributes, 'resource' | 'subresource'> {
  const slash = text.indexOf('/');
  const subresource = slash < 0 ? '' : text.slice(slash + 1);
  return { resource: subresource === '' ? text : text.slice(0, slash), subresource };
}

function refusal(user: UserInfo, missing: readonly JsonObject[]): string {
  const list = (words: readonly string[]): string => `[${words.map((word) => JSON.stringify(word)).join(' ')}]`;
  const shown = missing.map((rule) => {
    const parts = [
      ['APIGroups', texts(rule, 'apiGroups')],
      ['Resources', texts(rule, 'resources')],
      ['ResourceNames', texts(rule, 'resourceNames')],
      ['NonResourceURLs', texts(rule, 'nonResourceURLs')],
      ['Verbs', texts(rule, 'verbs')],
    ] as const;
    return `{${parts
      .filter(([, words]) => words.length > 0)
      .map(([field, words]) => `${field}:${list(words)}`)
      .join(', ')}}`;
  });
  const who = `user ${JSON.stringify(user.username)} (groups=${list(user.groups)})`;
  return `${who} is attempting to grant RBAC permissions not currently held:\n${shown.join('\n')}`;
}
