// The store of the L4 configuration. In: batches of WDS and authorization resources (main thread), or the plain diffs of
// another store (data threads). Out: one new snapshot per batch and its diff. Called by the xDS handlers of the node proxy
// and the waypoint. Synchronous; one bad resource rejects only itself.

import type { Authorization } from '@ambit/proto/authorization';
import type { Address } from '@ambit/proto/workload';

import { isEmptyDiff } from './diff.ts';
import type { KindDiff, StateDiff } from './diff.ts';
import { policyKey } from './policy.ts';
import type { Policy } from './policy.ts';
import { serviceKey } from './service.ts';
import type { Service } from './service.ts';
import { buildSnapshot, emptySnapshot } from './store/build-snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import { Sharing } from './store/sharing.ts';
import { type AddressTranslation, translateAddress } from './translate/address.ts';
import { brokenPolicy, translateAuthorization } from './translate/authorization.ts';
import type { Workload } from './workload.ts';

/** One resource as the xDS client hands it over. */
export interface NamedResource<T> {
  readonly name: string;
  readonly resource: T;
}

/** One batch of changes, in the shape of the xDS handlers. */
export interface StateUpdate {
  /** As messages, or translated already: a message is several times as large as what is kept of it. */
  readonly addresses?: {
    readonly updated: readonly NamedResource<Address | AddressTranslation>[];
    readonly removed: readonly string[];
  };
  readonly authorizations?: {
    readonly updated: readonly NamedResource<Authorization>[];
    readonly removed: readonly string[];
  };
  /** Records that need no translation: the local state file, tests. */
  readonly workloads?: readonly Workload[];
  readonly services?: readonly Service[];
  readonly policies?: readonly Policy[];
}

/** A resource that was refused, for the NACK. The last good version stays in use. */
export interface Reject {
  readonly name: string;
  readonly reason: string;
}

/** What a batch did. */
export interface ApplyResult {
  readonly diff: StateDiff;
  readonly rejects: readonly Reject[];
  /** Texts for the log: parts that were ignored in resources that were accepted. */
  readonly warnings: readonly string[];
}

/** The store; the only mutable thing of this package. */
export interface StateStore {
  /** Translates and applies a batch: one swap, one generation. */
  apply(update: StateUpdate): ApplyResult;
  /** Applies a diff of another store. A gap in generations throws unless the diff replaces everything. */
  applyDiff(diff: StateDiff): Snapshot;
  /** Everything as one diff that replaces, for a data thread that starts now. */
  fullDiff(): StateDiff;
  /** The current view; immutable. */
  snapshot(): Snapshot;
}

/** An empty store at generation 0. */
export function createStateStore(): StateStore {
  let current = emptySnapshot();
  const sharing = new Sharing();

  const apply = (update: StateUpdate): ApplyResult => {
    const batch = new Batch(current, sharing);
    batch.translate(update);
    const diff = batch.toDiff();
    if (!isEmptyDiff(diff)) current = buildSnapshot(current, diff);
    return { diff, rejects: batch.rejects, warnings: batch.warnings };
  };

  const applyDiff = (diff: StateDiff): Snapshot => {
    if (!diff.replace && !isEmptyDiff(diff) && diff.generation !== current.generation + 1) {
      throw new Error(`state diff for generation ${diff.generation} cannot follow generation ${current.generation}`);
    }
    if (!diff.replace && isEmptyDiff(diff)) return current;
    const upsert = diff.workloads.upsert.map((workload) => sharing.workload(workload));
    const shared = { ...diff, workloads: { ...diff.workloads, upsert } };
    current = buildSnapshot(diff.replace ? emptySnapshot() : current, shared);
    return current;
  };

  const fullDiff = (): StateDiff => ({
    generation: current.generation,
    replace: true,
    workloads: { upsert: [...current.workloads.values()], remove: [] },
    services: { upsert: [...current.services.values()], remove: [] },
    policies: { upsert: [...current.policies.values()], remove: [] },
  });
  return { apply, applyDiff, fullDiff, snapshot: () => current };
}

/** Collects the last word about every key of one batch. `undefined` = removed. */
class Batch {
  readonly rejects: Reject[] = [];
  readonly warnings: string[] = [];
  readonly #base: Snapshot;
  readonly #sharing: Sharing;
  readonly #workloads = new Map<string, Workload | undefined>();
  readonly #services = new Map<string, Service | undefined>();
  readonly #policies = new Map<string, Policy | undefined>();

  constructor(base: Snapshot, sharing: Sharing) {
    this.#base = base;
    this.#sharing = sharing;
  }

  translate(update: StateUpdate): void {
    for (const name of update.addresses?.removed ?? []) this.#removeAddress(name);
    for (const { name, resource } of update.addresses?.updated ?? []) this.#addAddress(name, resource);
    for (const name of update.authorizations?.removed ?? []) this.#policies.set(name, undefined);
    for (const { name, resource } of update.authorizations?.updated ?? []) this.#addAuthorization(name, resource);
    for (const workload of update.workloads ?? []) this.#workloads.set(workload.uid, workload);
    for (const service of update.services ?? []) this.#services.set(serviceKey(service), service);
    for (const policy of update.policies ?? []) this.#policies.set(policyKey(policy), policy);
  }

  toDiff(): StateDiff {
    const workloads = kindDiff(this.#workloads, (key) => this.#base.workloads.has(key));
    const services = kindDiff(this.#services, (key) => this.#base.services.has(key));
    const policies = kindDiff(this.#policies, (key) => this.#base.policies.has(key));
    const diff = { generation: this.#base.generation, replace: false, workloads, services, policies };
    return isEmptyDiff(diff) ? diff : { ...diff, generation: this.#base.generation + 1 };
  }

  /** A removed name is a workload uid, else a service key (spec/control-plane.md 2.14). */
  #removeAddress(name: string): void {
    const kind = this.#base.workloads.has(name) || !this.#base.services.has(name) ? this.#workloads : this.#services;
    kind.set(name, undefined);
  }

  #addAddress(name: string, resource: Address | AddressTranslation): void {
    const result = 'kind' in resource ? resource : translateAddress(resource);
    switch (result.kind) {
      case 'workload':
        this.#workloads.set(result.workload.uid, this.#sharing.workload(result.workload));
        break;
      case 'service':
        this.#services.set(serviceKey(result.service), result.service);
        break;
      case 'reject':
        this.rejects.push({ name, reason: result.reason });
        return;
      default:
        result satisfies never;
        return;
    }
    for (const warning of result.warnings) this.warnings.push(`${name}: ${warning}`);
  }

  #addAuthorization(name: string, resource: Authorization): void {
    const result = translateAuthorization(resource);
    if (result.kind === 'policy') {
      this.#policies.set(policyKey(result.policy), result.policy);
      return;
    }
    this.rejects.push({ name, reason: result.reason });
    const placeholder = brokenPolicy(resource, result.reason);
    const key = policyKey(placeholder);
    const held = this.#policies.has(key) ? this.#policies.get(key) : this.#base.policies.get(key);
    if (held === undefined) this.#policies.set(key, placeholder);
  }
}

function kindDiff<T>(changes: ReadonlyMap<string, T | undefined>, isHeld: (key: string) => boolean): KindDiff<T> {
  const upsert: T[] = [];
  const remove: string[] = [];
  for (const [key, value] of changes) {
    if (value !== undefined) upsert.push(value);
    else if (isHeld(key)) remove.push(key);
  }
  return { upsert, remove };
}
