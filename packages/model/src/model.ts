// The translation as one incremental machine. In: changes of Kubernetes objects. Out: which resources and conditions changed.
// Called by the control plane, the command line tool and tests; pure, one thread, no I/O. Each unit of work (a pod, a hostname,
// a policy) remembers what it asked; a change recomputes exactly the units whose answers changed.
import { kindOf, type KubernetesObject, problemsOf } from '@ambit/resources';
import type { ObjectConditions } from './conditions.ts';
import { AddressIndex } from './index/addresses.ts';
import { type ConfigChanges, ConfigTable } from './index/config-table.ts';
import { DiscoveryFilter } from './index/discovery-filter.ts';
import { MultiMap } from './index/multi-map.ts';
import { keyOf, type ModelKind, modelKinds, type ObjectKey, Objects } from './index/objects.ts';
import { store } from './index/touch.ts';
import { View } from './index/view.ts';
import type { ModelOptions } from './options.ts';
import type { AddressResource, Resource } from './resource.ts';
import { failClosed } from './translate/authorization/fail-closed.ts';
import type { StatusResult } from './translate/status-result.ts';
import type { RemoteChange, RemoteCluster } from './remote/remote-cluster.ts';
import { computeUnit, unitsOf, type UnitOutput } from './units.ts';
import { type Labels, REVISION } from './labels.ts';

/** One change of the cluster. */
export type ObjectChange =
  | { readonly type: 'upsert'; readonly object: KubernetesObject }
  | { readonly type: 'delete'; readonly kind: string; readonly namespace: string; readonly name: string };

/** Names of resources of one type that changed. */
export interface NameDiff {
  readonly updated: Set<string>;
  readonly removed: Set<string>;
}

/** What a batch of changes did. */
export interface ModelDiff {
  readonly addresses: NameDiff;
  readonly authorizations: NameDiff;
  /** Names by type URL of waypoint resources that changed in content, existence or visibility; services that a waypoint now
   * sees or sees no longer stand under the Address type. */
  readonly config: ReadonlyMap<string, ReadonlySet<string>>;
  /** Conditions that differ from what was wanted before; an empty list clears. */
  readonly conditions: readonly ObjectConditions[];
  /** Other statuses that differ from what was wanted before. */
  readonly statuses: readonly StatusResult[];
}

/** An object that could not be used, and why. */
export interface ModelProblem {
  /** `<kind> <namespace>/<name>` or the unit that failed. */
  readonly subject: string;
  readonly message: string;
}

interface Unit {
  /** Without repetition; equal texts are one object over many units. */
  readonly dependencies: readonly string[];
  readonly labels: Labels | undefined;
  readonly output: UnitOutput;
}

/** Forgotten all at once when reached: a few copies cost less than remembering every question. */
const MAX_SHARED_TEXTS = 10_000;
const KINDS: ReadonlySet<string> = new Set(modelKinds);
// Kinds whose objects belong to one revision of the control plane.
const REVISIONED = new Set([
  'AuthorizationPolicy',
  'PeerAuthentication',
  'RequestAuthentication',
  'Telemetry',
  'EnvoyFilter',
  'ServiceEntry',
  'WorkloadEntry',
  'VirtualService',
  'DestinationRule',
]);

/** The state of the translation. Not shared between threads. */
export class Model {
  readonly addresses = new AddressIndex();
  readonly authorizations = new Map<string, Resource>();
  readonly config = new ConfigTable();
  readonly options: ModelOptions;
  readonly #discovery: DiscoveryFilter;
  readonly #objects = new Objects();
  readonly #units = new Map<string, Unit>();
  readonly #dependents = new MultiMap<string, string>();
  readonly #unreadable = new Map<string, string>();
  readonly #failed = new Map<string, string>();
  /** Units whose result leaves something out. */
  readonly #notes = new Map<string, string>();
  readonly #dirty = new Set<string>(['static-strict', 'proxy-config', 'remote-gateways']);
  readonly #remotes = new Map<string, RemoteCluster>();
  /** Questions asked lately, so that equal ones are kept once. */
  readonly #texts = new Map<string, string>();
  #recomputed = 0;

  constructor(options: ModelOptions) {
    this.options = options;
    this.#discovery = new DiscoveryFilter(options.discoverySelectors);
  }

  /** Applies changes in order and recomputes what they touch. */
  apply(changes: Iterable<ObjectChange>): ModelDiff {
    for (const change of changes) for (const passed of this.#discovery.pass(change)) this.#store(passed);
    return this.#recomputeAll();
  }

  /** Another cluster comes, is exchanged for a newer picture of itself, or goes (undefined). Only what differs is in the diff. */
  setRemote(id: string, remote: RemoteCluster | undefined): ModelDiff {
    const before = this.#remotes.get(id)?.all;
    if (remote === undefined) this.#remotes.delete(id);
    else this.#remotes.set(id, remote);
    for (const change of [before, remote?.all]) if (change !== undefined) this.#touchRemote(change);
    return this.#recomputeAll();
  }

  /** Applies changes of a cluster that was set; of another one they are ignored. */
  applyRemote(id: string, changes: Iterable<ObjectChange>): ModelDiff {
    const change = this.#remotes.get(id)?.apply(changes);
    if (change !== undefined) this.#touchRemote(change);
    return this.#recomputeAll();
  }

  /** A ConfigMap that a Gateway names exists, or does not; undefined: nobody looks any more. */
  setParameters(key: ObjectKey, exists: boolean | undefined): ModelDiff {
    if (exists === undefined) this.#objects.parameters.delete(key);
    else this.#objects.parameters.set(key, exists);
    this.#touch(`parameters ${key}`, undefined);
    return this.#recomputeAll();
  }

  #touchRemote({ hostnames, workloads, hasGatewayChange }: RemoteChange): void {
    if (!this.options.multiNetwork) return;
    for (const hostname of hostnames) {
      this.#touch(`remote host ${hostname}`, undefined);
      this.#dirty.add(`host ${hostname}`);
    }
    for (const uid of workloads) this.#dirty.add(`remote ${uid}`);
    if (hasGatewayChange) this.#touch('remote gateways', undefined);
  }

  #recomputeAll(): ModelDiff {
    const diff = newDiff();
    for (const key of this.#dirty) this.#recompute(key, diff);
    this.#dirty.clear();
    return diff;
  }

  /** Units of work done since the start: what a change cost is the difference before and after it. */
  get recomputed(): number {
    return this.#recomputed;
  }

  /** Objects and units that could not be translated, or not in full; of the first the last good result stays in force. */
  problems(): ModelProblem[] {
    return [...this.#unreadable, ...this.#failed, ...this.#notes].map(([subject, message]) => ({ subject, message }));
  }

  /** Every condition that is wanted now. */
  *conditions(): Iterable<ObjectConditions> {
    for (const { output } of this.#units.values()) yield* output.conditions;
  }

  /** Every other status that is wanted now. */
  *statuses(): Iterable<StatusResult> {
    for (const { output } of this.#units.values()) yield* output.statuses;
  }

  /** An input object as last seen. */
  object(kind: ModelKind, key: ObjectKey): KubernetesObject | undefined {
    return this.#objects.get(kind, key) as KubernetesObject | undefined;
  }

  /** Number of input objects of a kind. */
  count(kind: ModelKind): number {
    return this.#objects.count(kind);
  }

  /** A view for questions outside of the incremental run, such as `ambit explain`. */
  view(): View {
    return new View(this.#objects, this.options, this.#remotes);
  }

  #store(change: ObjectChange): void {
    const kind = change.type === 'delete' ? change.kind : kindOf(change.object)?.kind;
    if (kind === undefined || !KINDS.has(kind)) return;
    const modelKind = kind as ModelKind;
    const key = change.type === 'delete' ? `${change.namespace}/${change.name}` : keyOf(change.object);
    const subject = `${kind} ${key}`;
    this.#unreadable.delete(subject);
    const object = change.type === 'delete' ? undefined : this.#usable(modelKind, subject, key, change.object);
    const before = this.#objects.get(modelKind, key) as KubernetesObject | undefined;
    const touch = (dependency: string, concerns?: (labels: Labels) => boolean): void =>
      this.#touch(dependency, concerns);
    const isChanged = store(this.#objects, this.options.domain, modelKind, key, object, touch);
    if (!isChanged) return;
    for (const unit of unitsOf(this.options, modelKind, key, before, object)) this.#dirty.add(unit);
  }

  /** The object if it belongs to this revision and fits its kind; the last good one, or a denial, when it does not fit. */
  #usable(kind: ModelKind, subject: string, key: ObjectKey, object: KubernetesObject): KubernetesObject | undefined {
    const revision = object.metadata?.labels?.[REVISION];
    if (
      REVISIONED.has(kind) &&
      revision !== undefined &&
      this.options.revision !== '' &&
      revision !== this.options.revision
    ) {
      return undefined;
    }
    const problems = problemsOf(kind, object);
    if (problems.length === 0) return object;
    this.#unreadable.set(subject, problems.map((p) => `${p.path} ${p.message}`).join('; '));
    const lastGood = this.#objects.get(kind, key) as KubernetesObject | undefined;
    return lastGood ?? failClosed(kind, object);
  }

  #touch(dependency: string, concerns: ((labels: Labels) => boolean) | undefined): void {
    for (const key of this.#dependents.get(dependency)) {
      const labels = concerns && this.#units.get(key)?.labels;
      if (concerns === undefined || labels === undefined || concerns(labels)) this.#dirty.add(key);
    }
  }

  #recompute(key: string, diff: MutableDiff): void {
    this.#recomputed++;
    const before = this.#units.get(key);
    const view = this.view();
    let output: UnitOutput | undefined;
    try {
      output = computeUnit(view, key);
      this.#failed.delete(key);
    } catch (error) {
      // One object that cannot be translated must not stop the others: its last result stays.
      this.#failed.set(key, error instanceof Error ? error.message : String(error));
      output = before?.output;
    }
    const [note] = view.notes;
    if (note === undefined) this.#notes.delete(key);
    else this.#notes.set(key, note);
    this.#replaceUnit(key, before, output, view.dependencies);
    this.#publishAddresses(before?.output.addresses ?? [], output?.addresses ?? [], diff.addresses);
    this.#publishAuthorizations(before?.output.authorizations ?? [], output?.authorizations ?? [], diff.authorizations);
    this.config.replace(key, before?.output.config ?? [], output?.config ?? [], diff.config);
    this.config.replaceNeeds(before?.output.needs ?? [], output?.needs ?? [], diff.config);
    diff.conditions.push(...changedConditions(before?.output.conditions ?? [], output?.conditions ?? []));
    diff.statuses.push(...changedStatuses(before?.output.statuses ?? [], output?.statuses ?? []));
  }

  #replaceUnit(key: string, before: Unit | undefined, output: UnitOutput | undefined, dependencies: Set<string>): void {
    for (const dependency of before?.dependencies ?? []) {
      if (output === undefined || !dependencies.has(dependency)) this.#dependents.remove(dependency, key);
    }
    if (output === undefined) {
      this.#units.delete(key);
      return;
    }
    const kept = Array.from(dependencies, (dependency) => this.#shared(dependency));
    for (const dependency of kept) this.#dependents.add(dependency, key);
    this.#units.set(key, { dependencies: kept, labels: output.labels, output });
  }

  /** The same text as before where it was asked lately: most questions of a unit are those of its whole namespace. */
  #shared(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size >= MAX_SHARED_TEXTS) this.#texts.clear();
    this.#texts.set(text, text);
    return text;
  }

  #publishAddresses(before: readonly AddressResource[], after: readonly AddressResource[], diff: NameDiff): void {
    const names = new Set(after.map((r) => r.name));
    for (const old of before) {
      if (names.has(old.name) || this.addresses.get(old.name) !== old) continue;
      this.addresses.delete(old.name);
      noteRemoved(diff, old.name);
    }
    for (const resource of after) {
      const known = this.addresses.get(resource.name);
      this.addresses.set(resource);
      if (known?.version !== resource.version) noteUpdated(diff, resource.name);
    }
  }

  #publishAuthorizations(before: readonly Resource[], after: readonly Resource[], diff: NameDiff): void {
    const names = new Set(after.map((r) => r.name));
    for (const old of before) {
      if (names.has(old.name) || this.authorizations.get(old.name) !== old) continue;
      this.authorizations.delete(old.name);
      noteRemoved(diff, old.name);
    }
    for (const resource of after) {
      const known = this.authorizations.get(resource.name);
      this.authorizations.set(resource.name, resource);
      if (known?.version !== resource.version) noteUpdated(diff, resource.name);
    }
  }
}

interface MutableDiff {
  readonly addresses: NameDiff;
  readonly authorizations: NameDiff;
  readonly config: ConfigChanges;
  readonly conditions: ObjectConditions[];
  readonly statuses: StatusResult[];
}

function newDiff(): MutableDiff {
  const names = (): NameDiff => ({ updated: new Set(), removed: new Set() });
  return { addresses: names(), authorizations: names(), config: new Map(), conditions: [], statuses: [] };
}

function noteUpdated(diff: NameDiff, name: string): void {
  diff.removed.delete(name);
  diff.updated.add(name);
}

function noteRemoved(diff: NameDiff, name: string): void {
  diff.updated.delete(name);
  diff.removed.add(name);
}

const conditionsKey = (c: ObjectConditions): string => `${c.kind} ${c.namespace}/${c.name} ${c.manager}`;

/** Conditions that are new or other than before, and empty lists for those that are wanted no longer. */
function changedConditions(
  before: readonly ObjectConditions[],
  after: readonly ObjectConditions[],
): ObjectConditions[] {
  const old = new Map(before.map((c) => [conditionsKey(c), c]));
  const changed: ObjectConditions[] = [];
  for (const now of after) {
    const known = old.get(conditionsKey(now));
    old.delete(conditionsKey(now));
    const isSame =
      known === undefined
        ? now.conditions.length === 0
        : JSON.stringify(known.conditions) === JSON.stringify(now.conditions);
    if (!isSame) changed.push(now);
  }
  return changed;
}

function changedStatuses(before: readonly StatusResult[], after: readonly StatusResult[]): StatusResult[] {
  const old = new Map(before.map((s) => [`${s.kind} ${s.key}`, JSON.stringify(s)]));
  return after.filter((s) => old.get(`${s.kind} ${s.key}`) !== JSON.stringify(s));
}
