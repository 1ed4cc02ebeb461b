// The L4 authorization decision (spec/node-proxy.md 6, decision W3). In: a snapshot and the facts of a connection. Out: allow, or
// deny with the policy and rule. Called by the node proxy's inbound paths and its policy watcher; pure; data threads.

import { parseSpiffeId, principalOf } from '@ambit/identity/spiffe';

import type { ConnectionView } from './rbac/compile-rule.ts';
import { policySetOf } from './rbac/policy-set.ts';
import type { PolicyGroup } from './rbac/policy-set.ts';
import type { PolicyHit, RuleIndex } from './rbac/rule-index.ts';
import { policyKey } from './policy.ts';
import { groupsOf } from './ip.ts';
import type { Snapshot } from './snapshot.ts';
import type { Workload } from './workload.ts';

/** One inbound connection as policies see it. */
export interface ConnectionFacts {
  /** The workload that is connected to. */
  readonly destination: Workload;
  /** Canonical text. */
  readonly sourceIp: string;
  /** Identity URI of the TLS peer; absent for plaintext. */
  readonly sourceIdentity?: string;
  /** After port substitution: what the application sees (canonical text). */
  readonly destinationIp: string;
  readonly destinationPort: number;
}

export type { PolicyHit } from './rbac/rule-index.ts';

/** A line for the decision log: upstream's message, and the policy when there is one. */
export interface DryRunNote {
  readonly message: string;
  readonly policy?: string;
}

/** The decision. `message` is the reason as the access log says it. */
export type L4Decision =
  | { readonly allow: true; readonly by?: PolicyHit; readonly dryRun: readonly DryRunNote[] }
  | {
      readonly allow: false;
      readonly cause: 'denied-by-policy' | 'no-allow-matched' | 'missing-policy' | 'broken-policy';
      readonly policy?: string;
      readonly rule?: number;
      readonly message: string;
      readonly dryRun: readonly DryRunNote[];
    };

/** How a listed policy that is not held counts: `deny` (decision W3), or `skip` (`AMBIT_MISSING_POLICY=upstream`). */
export interface AuthorizationOptions {
  readonly missingPolicy?: 'deny' | 'skip';
}

const noNotes: readonly DryRunNote[] = [];

/** Decides one connection. Takes microseconds; the first decision after a change of policies makes their index anew. */
export function authorizeL4(
  snapshot: Snapshot,
  facts: ConnectionFacts,
  options: AuthorizationOptions = {},
): L4Decision {
  const { groups, missing } = policySetOf(snapshot, facts.destination);
  const view = new FactsView(facts);
  const dryRun = dryRunNotes(groups, view);

  const denied = firstHit(groups, 'deny', view);
  if (denied !== undefined) {
    return {
      allow: false,
      cause: 'denied-by-policy',
      ...denied,
      message: `explicitly denied by: ${denied.policy}`,
      dryRun,
    };
  }
  const broken = groups.find((group) => group.broken.length > 0)?.broken[0];
  if (broken !== undefined) {
    const policy = policyKey(broken);
    return {
      allow: false,
      cause: 'broken-policy',
      policy,
      message: `policy ${policy} was refused: ${broken.broken}`,
      dryRun,
    };
  }
  const [absent] = missing;
  if (absent !== undefined && options.missingPolicy !== 'skip') {
    return {
      allow: false,
      cause: 'missing-policy',
      policy: absent,
      message: `policy ${absent} is not known yet`,
      dryRun,
    };
  }
  if (!hasAny(groups, 'allow')) return { allow: true, dryRun };
  const allowed = firstHit(groups, 'allow', view);
  if (allowed !== undefined) return { allow: true, by: allowed, dryRun };
  return { allow: false, cause: 'no-allow-matched', message: 'allow policies exist, but none allowed', dryRun };
}

/** Names in a workload's list that are not held: the value of the `ambit_policy_missing` gauge. */
export function missingPolicies(snapshot: Snapshot, workload: Workload): readonly string[] {
  return policySetOf(snapshot, workload).missing;
}

/** The lists of a group that hold policies of one kind. */
type Indexed = { [K in keyof PolicyGroup]: PolicyGroup[K] extends RuleIndex ? K : never }[keyof PolicyGroup];

function hasAny(groups: readonly PolicyGroup[], kind: Indexed): boolean {
  return groups.some((group) => group[kind].size > 0);
}

function firstHit(groups: readonly PolicyGroup[], kind: Indexed, view: ConnectionView): PolicyHit | undefined {
  for (const group of groups) {
    const hit = group[kind].firstHit(view);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

function dryRunNotes(groups: readonly PolicyGroup[], view: ConnectionView): readonly DryRunNote[] {
  if (!hasAny(groups, 'dryRunDeny') && !hasAny(groups, 'dryRunAllow')) return noNotes;
  const matching = (kind: Indexed) => groups.flatMap((group) => group[kind].matching(view).map(policyKey));
  const denied = matching('dryRunDeny').map((policy) => ({ message: 'dry-run: deny policy match', policy }));
  const allowed = matching('dryRunAllow').map((policy) => ({ message: 'dry-run: allow policy match', policy }));
  const isLonely = !hasAny(groups, 'allow') && hasAny(groups, 'dryRunAllow') && allowed.length === 0;
  return [...denied, ...allowed, ...(isLonely ? [{ message: 'dry-run: no allow policies match' }] : [])];
}

interface Source {
  readonly principal: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Identities that were read: the connections of a thread come from few peers, again and again. */
const sources = new Map<string, Source | undefined>();
const MAX_SOURCES = 1000;

function sourceOf(identity: string): Source | undefined {
  if (sources.has(identity)) return sources.get(identity);
  const id = parseSpiffeId(identity);
  const source =
    id === undefined
      ? undefined
      : { principal: principalOf(identity), namespace: id.namespace, serviceAccount: id.serviceAccount };
  if (sources.size >= MAX_SOURCES) sources.clear();
  sources.set(identity, source);
  return source;
}

/** Addresses are read when a rule asks for them: most policies know only identities. */
class FactsView implements ConnectionView {
  readonly principal: string | undefined;
  readonly namespace: string;
  readonly serviceAccount: string | undefined;
  readonly destinationPort: number;
  readonly #facts: ConnectionFacts;
  #sourceGroups: readonly number[] | undefined;
  #destinationGroups: readonly number[] | undefined;

  constructor(facts: ConnectionFacts) {
    const source = facts.sourceIdentity === undefined ? undefined : sourceOf(facts.sourceIdentity);
    this.principal = source?.principal;
    this.namespace = source?.namespace ?? '';
    this.serviceAccount = source?.serviceAccount;
    this.destinationPort = facts.destinationPort;
    this.#facts = facts;
  }

  get sourceGroups(): readonly number[] {
    return (this.#sourceGroups ??= groupsOf(this.#facts.sourceIp));
  }

  get destinationGroups(): readonly number[] {
    return (this.#destinationGroups ??= groupsOf(this.#facts.destinationIp));
  }
}
