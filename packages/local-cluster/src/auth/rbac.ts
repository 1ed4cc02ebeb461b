/**
 * Authorization from the stored roles (spec/local-cluster.md 7.2). In: user and what it wants; out: allowed or not. The
 * rules of a user are kept until any role or binding changes. Main thread.
 */

import { isObject, listAt, textAt } from '../api/json.ts';
import type { JsonObject } from '../api/json.ts';
import { labelSelectorOf } from '../api/read/label-selector.ts';
import type { KubeObject } from '../store/kube-object.ts';
import type { ObjectStore } from '../store/object-store.ts';
import { mastersGroup } from './user.ts';
import type { UserInfo } from './user.ts';

const rbacGroup = 'rbac.authorization.k8s.io';
const collections = ['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map(
  (name) => `${name}.${rbacGroup}`,
);

/** What a request wants to do. */
export interface AccessAttributes {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** Set for requests outside the API, such as `/version`. */
  readonly path: string | undefined;
}

/** A rule with the namespace it holds in (undefined = everywhere). */
export interface ScopedRule {
  readonly rule: JsonObject;
  readonly namespace: string | undefined;
}

const has = (list: readonly unknown[], value: string): boolean => list.includes(value) || list.includes('*');

function allowsPath(rule: JsonObject, path: string): boolean {
  return listAt(rule, 'nonResourceURLs').some(
    (url) =>
      url === '*' ||
      url === path ||
      (typeof url === 'string' && url.endsWith('*') && path.startsWith(url.slice(0, -1))),
  );
}

function allowsResource(rule: JsonObject, wanted: AccessAttributes): boolean {
  if (!has(listAt(rule, 'apiGroups'), wanted.group)) return false;
  const full = wanted.subresource === '' ? wanted.resource : `${wanted.resource}/${wanted.subresource}`;
  const resources = listAt(rule, 'resources');
  const fits = has(resources, full) || (wanted.subresource !== '' && resources.includes(`*/${wanted.subresource}`));
  if (!fits) return false;
  const names = listAt(rule, 'resourceNames');
  return names.length === 0 || names.includes(wanted.name);
}

/** True when one rule allows what is wanted. */
export function ruleAllows(rule: JsonObject, wanted: AccessAttributes): boolean {
  if (!has(listAt(rule, 'verbs'), wanted.verb)) return false;
  return wanted.path === undefined ? allowsResource(rule, wanted) : allowsPath(rule, wanted.path);
}

function isSubject(subject: JsonObject, user: UserInfo, bindingNamespace: string): boolean {
  const name = textAt(subject, 'name');
  switch (subject['kind']) {
    case 'User':
      return name === user.username;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount':
      return user.username === `system:serviceaccount:${textAt(subject, 'namespace') || bindingNamespace}:${name}`;
    default:
      return false;
  }
}

/** Evaluates roles. `close()` stops listening to them. */
export class Authorizer {
  readonly #store: ObjectStore;
  readonly #listeners: readonly Disposable[];
  readonly #rules = new Map<string, readonly ScopedRule[]>();

  constructor(store: ObjectStore) {
    this.#store = store;
    this.#listeners = collections.map((collection) => store.listen(collection, () => this.#rules.clear()));
  }

  /** The rules that a binding hands out, those of aggregated roles too; none while its role is missing. */
  rulesOfBinding(binding: KubeObject): readonly JsonObject[] {
    const name = textAt(binding, 'roleRef', 'name');
    const role =
      textAt(binding, 'roleRef', 'kind') === 'Role'
        ? this.#store.get(`roles.${rbacGroup}`, binding.metadata.namespace ?? '', name)
        : this.#store.get(`clusterroles.${rbacGroup}`, '', name);
    if (role === undefined) return [];
    const own = listAt(role, 'rules').filter(isObject);
    const selectors = listAt(role, 'aggregationRule', 'clusterRoleSelectors').map(labelSelectorOf);
    if (selectors.length === 0) return own;
    const aggregated = this.#store
      .list(`clusterroles.${rbacGroup}`)
      .filter((other) => other !== role && selectors.some((test) => test(other.metadata.labels)));
    return [...own, ...aggregated.flatMap((other) => listAt(other, 'rules').filter(isObject))];
  }

  /** Every rule of a user, with its namespace. */
  rulesOf(user: UserInfo): readonly ScopedRule[] {
    const key = JSON.stringify([user.username, user.groups]);
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const rules: ScopedRule[] = [];
    for (const kind of ['clusterrolebindings', 'rolebindings']) {
      for (const binding of this.#store.list(`${kind}.${rbacGroup}`)) {
        const namespace = kind === 'rolebindings' ? (binding.metadata.namespace ?? '') : undefined;
        const fits = listAt(binding, 'subjects').some(
          (subject) => isObject(subject) && isSubject(subject, user, namespace ?? ''),
        );
        if (fits) for (const rule of this.rulesOfBinding(binding)) rules.push({ rule, namespace });
      }
    }
    if (this.#rules.size > 1000) this.#rules.clear();
    this.#rules.set(key, rules);
    return rules;
  }

  /** True when the user may. */
  allows(user: UserInfo, wanted: AccessAttributes): boolean {
    if (user.groups.includes(mastersGroup)) return true;
    return this.rulesOf(user).some(
      ({ rule, namespace }) =>
        (namespace === undefined || (wanted.path === undefined && wanted.namespace === namespace)) &&
        ruleAllows(rule, wanted),
    );
  }

  /** Idempotent. */
  close(): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
  }
}
