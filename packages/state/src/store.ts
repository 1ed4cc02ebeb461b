// The store of the L4 configuration. In: batches of WDS and authorization resources (main thread), or the plain diffs of
// another store (data threads). Out: one new snapshot per batch and its diff. Called by the xDS handlers of the node proxy
// and the waypoint. Synchronous; one bad resource rejects only itself.

import type { Authorization } from '@ambit/proto/authorization';
import type { Address } from '@ambit/proto/workload';

import { messageOf } from '@ambit/runtime/errors';

import { isEmptyDiff } from './diff.ts';
import type { KindDiff, StateDiff } from './diff.ts';
import { policyKey } from './policy.ts';
import type { Policy } from './policy.ts';
import { serviceKey } from './service.ts';
import type { Service } from './service.ts';
import { buildSnapshot, emptySnapshot, withShared } from './store/build-snapshot.ts';
import type { Snapshot } from './snapshot.ts';
import { changeCount, changesOf } from './store/layered-map.ts';
import { SharedWorkloads } from './store/shared-workloads.ts';
import { SharedWorkloadsWriter, writeSharedWorkloads } from './store/shared-workloads-writer.ts';
import { Sharing } from './store/sharing.ts';
import { type AddressTranslation, translateAddress } from './translate/address.ts';
import { brokenPolicy, translateAuthorization } from './translate/authorization.ts';
import type { Workload } from './workload.ts';

/** One resource as the xDS client hands it over. */
export interface NamedResource<T> {
  readonly name: string;
  readonly resource: T;
}

/** Gives the same at each call. What it throws rejects the resource. */
export type TranslatedLater = () => AddressTranslation;

/** One batch of changes, in the shape of the xDS handlers. */
export interface StateUpdate {
  /** As messages, or translated when it is their turn: a message is several times as large as what is kept of it. */
  readonly addresses?: {
    readonly updated: readonly NamedResource<Address | TranslatedLater>[];
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
  /** With `shared` the workloads are there and not told one by one. */
  readonly diff: StateDiff;
  readonly rejects: readonly Reject[];
  /** Texts for the log: parts that were ignored in resources that were accepted. */
  readonly warnings: readonly string[];
}

/** Settings of a store. */
export interface StoreOptions {
  /**
   * From so many changed workloads on all of them are written into memory that other threads read too, and again whenever as many and a
   * quarter of all have changed since. Default: never.
   */
  readonly shareFrom?: number;
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
export function createStateStore({ shareFrom = Infinity }: StoreOptions = {}): StateStore {
  let current = emptySnapshot();
  const sharing = new Sharing();

  const apply = (update: StateUpdate): ApplyResult => {
    const batch = translated(update);
    const diff = batch.toDiff();
    const { rejects, warnings } = batch;
    if (isEmptyDiff(diff)) return { diff, rejects, warnings };
    current = applied(current, diff);
    const changed = changeCount(current.workloads);
    if (changed < shareFrom || changed * 4 < current.workloads.size) return { diff, rejects, warnings };
    const shared = writeSharedWorkloads(current);
    current = withShared(current, new SharedWorkloads(shared));
    return { diff: { ...diff, shared, workloads: { upsert: [], remove: [] } }, rejects, warnings };
  };

  const translated = (update: StateUpdate): Batch => {
    const { updated = [], removed = [] } = update.addresses ?? {};
    const count = updated.length + (update.workloads?.length ?? 0);
    if (current.workloads.size === 0 && removed.length === 0 && count >= shareFrom) {
      const batch = new Batch(current, sharing, new SharedWorkloadsWriter());
      if (batch.translate(update)) return batch;
    }
    const batch = new Batch(current, sharing, undefined);
    batch.translate(update);
    return batch;
  };

  const applyDiff = (diff: StateDiff): Snapshot => {
    if (!diff.replace && !isEmptyDiff(diff) && diff.generation !== current.generation + 1) {
      throw new Error(`state diff for generation ${diff.generation} cannot follow generation ${current.generation}`);
    }
    if (!diff.replace && isEmptyDiff(diff)) return current;
    const upsert = diff.workloads.upsert.map((workload) => sharing.workload(workload));
    const own = { ...diff, workloads: { ...diff.workloads, upsert } };
    current = applied(diff.replace ? emptySnapshot() : current, own);
    return current;
  };

  const fullDiff = (): StateDiff => ({
    generation: current.generation,
    replace: true,
    ...(current.shared === undefined ? {} : { shared: current.shared.memory }),
    workloads: changesOf(current.workloads),
    services: { upsert: [...current.services.values()], remove: [] },
    policies: { upsert: [...current.policies.values()], remove: [] },
  });
  return { apply, applyDiff, fullDiff, snapshot: () => current };
}

function applied(before: Snapshot, diff: StateDiff): Snapshot {
  const base = diff.shared === undefined ? before : withShared(before, new SharedWorkloads(diff.shared));
  return buildSnapshot(base, diff);
}

/** Collects the last word about every key of one batch. `undefined` = removed. */
class Batch {
  readonly rejects: Reject[] = [];
  readonly warnings: string[] = [];
  readonly #base: Snapshot;
  readonly #sharing: Sharing;
  /** Where workloads are written at once, when there are many and none before. */
  readonly #writer: SharedWorkloadsWriter | undefined;
  readonly #workloads = new Map<string, Workload | undefined>();
  readonly #services = new Map<string, Service | undefined>();
  readonly #policies = new Map<string, Policy | undefined>();
  #isRepeated = false;

  constructor(base: Snapshot, sharing: Sharing, writer: SharedWorkloadsWriter | undefined) {
    this.#base = base;
    this.#sharing = sharing;
    this.#writer = writer;
  }

  /** False when the writer met a workload twice: the batch is of no use then. */
  translate(update: StateUpdate): boolean {
    for (const name of update.addresses?.removed ?? []) this.#removeAddress(name);
    for (const { name, resource } of update.addresses?.updated ?? []) this.#addAddress(name, resource);
    for (const name of update.authorizations?.removed ?? []) this.#policies.set(name, undefined);
    for (const { name, resource } of update.authorizations?.updated ?? []) this.#addAuthorization(name, resource);
    for (const workload of update.workloads ?? []) this.#addWorkload(workload);
    for (const service of update.services ?? []) this.#services.set(serviceKey(service), service);
    for (const policy of update.policies ?? []) this.#policies.set(policyKey(policy), policy);
    return !this.#isRepeated;
  }

  toDiff(): StateDiff {
    const workloads = kindDiff(this.#workloads, (key) => this.#base.workloads.has(key));
    const services = kindDiff(this.#services, (key) => this.#base.services.has(key));
    const policies = kindDiff(this.#policies, (key) => this.#base.policies.has(key));
    const writer = this.#writer;
    const shared = writer === undefined || writer.size === 0 ? {} : { shared: writer.finish() };
    const diff = { generation: this.#base.generation, replace: false, ...shared, workloads, services, policies };
    return isEmptyDiff(diff) ? diff : { ...diff, generation: this.#base.generation + 1 };
  }

  /** A removed name is a workload uid, else a service key (spec/control-plane.md 2.14). */
  #removeAddress(name: string): void {
    const kind = this.#base.workloads.has(name) || !this.#base.services.has(name) ? this.#workloads : this.#services;
    kind.set(name, undefined);
  }

  #addWorkload(workload: Workload): void {
    if (this.#writer === undefined) this.#workloads.set(workload.uid, workload);
    else if (!this.#writer.add(workload)) this.#isRepeated = true;
  }

  #addAddress(name: string, resource: Address | TranslatedLater): void {
    const result = typeof resource === 'function' ? translatedNow(resource) : translateAddress(resource);
    switch (result.kind) {
      case 'workload':
        this.#addWorkload(this.#writer === undefined ? this.#sharing.workload(result.workload) : result.workload);
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

function translatedNow(later: TranslatedLater): AddressTranslation {
  try {
    return later();
  } catch (error) {
    return { kind: 'reject', reason: messageOf(error) };
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
