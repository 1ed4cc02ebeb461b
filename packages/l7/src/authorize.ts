/**
 * Authorization: the pool of policies of a frontend -> allow or deny (spec/waypoint.md 4.1.2, 4.2).
 * In: PolicyRefs and a look-up of policies. Out: an authorizer. Compiled once per thread; asked per request or connection.
 *
 * Invariant: whatever cannot be understood denies. A missing, invalid or not yet enforceable policy of a security kind
 * makes the whole pool deny.
 */
import type { ExtAuthz, Policy, PolicyRef } from '@ambit/proto/waypoint';
import { AuthzPolicy_Action } from '@ambit/proto/waypoint';
import { compileRule } from './authorize/rule.ts';
import type { RuleContext, Subject, SubjectTest } from './authorize/subject.ts';
import { L7Error } from './errors.ts';
import { compileGlobalRateLimit } from './global-rate-limit.ts';
import { createRateLimiter } from './rate-limit.ts';
import { checkExtAuthz, compileCustom } from './ext-authz.ts';
import { compileJwtRules } from './jwt.ts';

/** The verdict. `policy` is the id for `rbac_access_denied_matched_policy[...]`; `none` when no ALLOW policy matched. */
export type Authorization =
  | { readonly allow: true; readonly audited: readonly string[]; readonly dryRun: readonly string[] }
  | {
      readonly allow: false;
      readonly policy: string;
      readonly audited: readonly string[];
      readonly dryRun: readonly string[];
    };

/** A compiled pool. */
export interface Authorizer {
  /** Decides about one request or, for TCP, one connection. Never throws. */
  authorize(subject: Subject): Authorization;
  /** Why the pool denies everything, one line per policy; empty in the normal case. */
  readonly problems: readonly string[];
  /** True when the pool cannot refuse anything. */
  readonly isOpen: boolean;
}

/** What to compile. */
export interface AuthorizerInput {
  readonly refs: readonly PolicyRef[];
  readonly lookup: (key: string) => Policy | undefined;
  readonly protocol: 'http' | 'tcp';
  /** Where the policies are attached: some kinds cannot be enforced for a single rule. Default `frontend`. */
  readonly scope?: 'frontend' | 'route';
  /** Services of action CUSTOM by provider name; absent = none is known, and such policies deny. */
  readonly provider?: (name: string) => ExtAuthz | undefined;
  /** Port of the frontend; refs that list other ports do not count. */
  readonly port: number;
}

interface NamedRule {
  readonly id: string;
  readonly test: SubjectTest;
}

interface Pool {
  readonly deny: NamedRule[];
  readonly allow: NamedRule[];
  readonly audit: NamedRule[];
  readonly dryDeny: NamedRule[];
  readonly dryAllow: NamedRule[];
  hasAllow: boolean;
  readonly problems: string[];
}

/** Compiles the policies of one frontend port. Never throws: what is broken denies and is listed in `problems`. */
export const compileAuthorizer = (input: AuthorizerInput): Authorizer => {
  const pool: Pool = { deny: [], allow: [], audit: [], dryDeny: [], dryAllow: [], hasAllow: false, problems: [] };
  for (const ref of input.refs) {
    if (ref.ports.length > 0 && !ref.ports.includes(input.port)) continue;
    addRef(pool, ref, input);
  }
  return authorizerOf(pool);
};

const addRef = (pool: Pool, ref: PolicyRef, input: AuthorizerInput): void => {
  const policy = input.lookup(ref.policy);
  if (policy === undefined) {
    if (ref.failClosedIfMissing) pool.problems.push(`${ref.policy}: missing`);
    return;
  }
  try {
    addPolicy(pool, ref.policy, policy, input);
  } catch (error) {
    pool.problems.push(`${ref.policy}: ${L7Error.is(error) ? error.message : 'cannot be compiled'}`);
  }
};

/** Kinds of policy that restrict access but have no engine yet: they deny until they have one. */
const notEnforced = new Set(['extension']);

const addPolicy = (pool: Pool, key: string, policy: Policy, { protocol, scope, provider }: AuthorizerInput): void => {
  const body = policy.body;
  if (hasUnknownField(policy) || body.case === undefined || body.case === 'invalid') {
    throw new L7Error('ERR_L7_UNSUPPORTED', 'invalid, or newer than this waypoint');
  }
  if (body.case !== 'authz') {
    if (body.case === 'jwt') {
      if (scope === 'route') throw new L7Error('ERR_L7_UNSUPPORTED', 'tokens are checked before a rule is chosen');
      compileJwtRules(body.value.rules); // enforced by jwt.ts; here only whether it can be
      return;
    }
    if (body.case === 'extAuthz') {
      if (protocol === 'tcp') throw customOnTcp();
      checkExtAuthz(body.value, key, policy.meta?.namespace ?? ''); // enforced by ext-authz.ts
      return;
    }
    if (body.case === 'globalRateLimit' && protocol === 'http') compileGlobalRateLimit(body.value); // likewise
    if (body.case === 'localRateLimit' && protocol === 'http') createRateLimiter(body.value); // whether it can be enforced
    if (notEnforced.has(body.case)) throw new L7Error('ERR_L7_UNSUPPORTED', `kind ${body.case} is not enforced yet`);
    return;
  }
  const { action, rules } = body.value;
  const namespace = policy.meta?.namespace ?? '';
  if (action === AuthzPolicy_Action.CUSTOM) {
    if (policy.dryRun) return;
    if (protocol === 'tcp') throw customOnTcp();
    compileCustom(body.value, namespace, provider ?? (() => undefined)); // enforced by ext-authz.ts
    return;
  }
  const context: RuleContext = { protocol, allows: action === AuthzPolicy_Action.ALLOW, namespace };
  const compiled = rules.map((rule, index) => ({
    id: rule.id === '' ? `ns[${namespace}]-policy[${policy.meta?.name ?? key}]-rule[${index}]` : rule.id,
    test: compileRule(rule, context),
  }));
  addRules(pool, action, policy.dryRun, compiled);
};

const customOnTcp = (): L7Error => new L7Error('ERR_L7_UNSUPPORTED', 'raw connections cannot be asked about');

const addRules = (pool: Pool, action: AuthzPolicy_Action, dryRun: boolean, rules: readonly NamedRule[]): void => {
  switch (action) {
    case AuthzPolicy_Action.ALLOW:
      if (!dryRun) pool.hasAllow = true;
      (dryRun ? pool.dryAllow : pool.allow).push(...rules);
      return;
    case AuthzPolicy_Action.DENY:
      (dryRun ? pool.dryDeny : pool.deny).push(...rules);
      return;
    case AuthzPolicy_Action.AUDIT:
      pool.audit.push(...rules);
      return;
    default:
      throw new L7Error('ERR_L7_UNSUPPORTED', `unknown action ${String(action)}`);
  }
};

const authorizerOf = (pool: Pool): Authorizer => {
  const isOpen = pool.problems.length === 0 && pool.deny.length === 0 && !pool.hasAllow;
  const broken = pool.problems[0]?.split(':')[0];
  const dryRules = [...pool.dryDeny, ...pool.dryAllow];
  return {
    problems: pool.problems,
    isOpen,
    authorize: (subject) => {
      const audited = matchingIds(pool.audit, subject);
      const dryRun = matchingIds(dryRules, subject);
      const denial = broken ?? firstMatching(pool.deny, subject);
      if (denial !== undefined) return { allow: false, policy: denial, audited, dryRun };
      if (pool.hasAllow && firstMatching(pool.allow, subject) === undefined)
        return { allow: false, policy: 'none', audited, dryRun };
      return audited.length + dryRun.length === 0 ? allowed : { allow: true, audited, dryRun };
    },
  };
};

const noIds: readonly string[] = Object.freeze([]);
/** The common verdict, without an object of its own. */
const allowed: Authorization = Object.freeze({ allow: true, audited: noIds, dryRun: noIds });

/** Id of the first rule that holds. */
const firstMatching = (rules: readonly NamedRule[], subject: Subject): string | undefined => {
  for (let index = 0; index < rules.length; index++) {
    const rule = rules[index] as NamedRule;
    if (rule.test(subject)) return rule.id;
  }
  return undefined;
};

const matchingIds = (rules: readonly NamedRule[], subject: Subject): readonly string[] =>
  rules.length === 0 ? noIds : rules.filter((rule) => rule.test(subject)).map((rule) => rule.id);

/** True when the message or anything inside it carries a field that this version does not know (spec/waypoint.md 2.3). */
export const hasUnknownField = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false;
  if (Array.isArray(value)) return value.some(hasUnknownField);
  const unknown = (value as { readonly $unknown?: readonly unknown[] }).$unknown;
  if (unknown !== undefined && unknown.length > 0) return true;
  return Object.values(value).some(hasUnknownField);
};
