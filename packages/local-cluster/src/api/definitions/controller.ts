/**
 * Brings definitions to life: accepts names, establishes, serves, and cleans up on deletion (spec/local-cluster.md 6).
 * In: changes of definitions from the store; out: status writes and the registry's custom resources. Runs one step per
 * microtask, never inside the write it reacts to. Main thread; owned by the API server.
 */

import type { Logger } from '@ambit/runtime/log';
import { isObject, listAt, objectAt, textAt, shown } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { compareVersions } from '../resources/registry.ts';
import type { Registry } from '../resources/registry.ts';
import type { KubeObject } from '../../store/kube-object.ts';
import type { ObjectStore } from '../../store/object-store.ts';
import { timeText } from '../write/context.ts';
import type { WriteEnvironment } from '../write/context.ts';
import { deleteObject } from '../write/delete.ts';
import { cleanupFinalizer, withCondition } from './deletion.ts';
import { servedResources } from './served.ts';

const collection = 'customresourcedefinitions.apiextensions.k8s.io';

const conditionOf = (definition: KubeObject, type: string): JsonObject | undefined =>
  listAt(definition, 'status', 'conditions')
    .filter(isObject)
    .find((item) => item['type'] === type);

const isTrue = (definition: KubeObject, type: string): boolean => conditionOf(definition, type)?.['status'] === 'True';

/** The controller. `close()` stops it. */
export class DefinitionController {
  readonly #store: ObjectStore;
  readonly #registry: Registry;
  readonly #environment: WriteEnvironment;
  readonly #log: Logger;
  readonly #listener: Disposable;
  readonly #pending = new Set<string>();
  readonly #instances = new Map<string, Disposable>();
  #closed = false;

  constructor(environment: WriteEnvironment, log: Logger) {
    this.#environment = environment;
    this.#store = environment.store;
    this.#registry = environment.registry;
    this.#log = log;
    for (const definition of this.#store.list(collection)) this.#serve(definition);
    this.#listener = this.#store.listen(collection, (change) => {
      if (change.type === 'DELETED') this.#drop(change.object.metadata.name ?? '');
      else this.#serve(change.object);
      this.#wake(change.object.metadata.name ?? '');
    });
    for (const definition of this.#store.list(collection)) this.#wake(definition.metadata.name ?? '');
  }

  #serve(definition: KubeObject): void {
    const name = definition.metadata.name ?? '';
    this.#registry.setCustom(
      name,
      isTrue(definition, 'Established') ? servedResources(definition, compareVersions) : [],
    );
  }

  #drop(name: string): void {
    this.#registry.setCustom(name, []);
    this.#instances.get(name)?.[Symbol.dispose]();
    this.#instances.delete(name);
    // A freed name may be wanted by a definition that was refused.
    for (const definition of this.#store.list(collection)) {
      if (!isTrue(definition, 'NamesAccepted')) this.#wake(definition.metadata.name ?? '');
    }
  }

  #wake(name: string): void {
    if (this.#pending.has(name) || this.#closed) return;
    this.#pending.add(name);
    setImmediate(() => {
      this.#pending.delete(name);
      if (this.#closed) return;
      try {
        this.#step(name);
      } catch (error) {
        this.#log.error('definition could not be processed', { name, error: String(error) });
      }
    });
  }

  #step(name: string): void {
    const definition = this.#store.get(collection, '', name);
    if (definition === undefined) return;
    if (definition.metadata.deletionTimestamp !== undefined) this.#cleanUp(definition);
    else if (this.#acceptNames(definition)) this.#establish(this.#store.get(collection, '', name) ?? definition);
  }

  #write(definition: JsonObject): void {
    this.#store.put(collection, definition as unknown as KubeObject);
  }

  /** Sets NamesAccepted; true when it was already right. */
  #acceptNames(definition: KubeObject): boolean {
    const time = timeText(this.#environment.now());
    const conflict = this.#nameConflict(definition);
    const names = objectAt(definition, 'spec', 'names') ?? {};
    const current = conditionOf(definition, 'NamesAccepted');
    if (conflict !== undefined) {
      if (current?.['reason'] === conflict.reason && current['message'] === conflict.message) return false;
      const refused = withCondition(definition as unknown as JsonObject, {
        type: 'NamesAccepted',
        status: 'False',
        lastTransitionTime: time,
        ...conflict,
      });
      const next = withCondition(refused, {
        type: 'Established',
        status: 'False',
        lastTransitionTime: time,
        reason: 'NotAccepted',
        message: 'not all names are accepted',
      });
      this.#write(withAccepted(next, { plural: names['plural'], kind: '' }));
      return false;
    }
    const accepted = JSON.stringify(objectAt(definition, 'status', 'acceptedNames') ?? {}) === JSON.stringify(names);
    if (current?.['status'] === 'True' && accepted) return true;
    let next: JsonObject = definition as unknown as JsonObject;
    if (current?.['status'] !== 'True') {
      next = withCondition(next, {
        type: 'NamesAccepted',
        status: 'True',
        lastTransitionTime: time,
        reason: 'NoConflicts',
        message: 'no conflicts found',
      });
    }
    if (!isTrue(definition, 'Established')) {
      next = withCondition(next, {
        type: 'Established',
        status: 'False',
        lastTransitionTime: time,
        reason: 'Installing',
        message: 'the initial names have been accepted',
      });
    }
    this.#write(withAccepted(next, names));
    return false;
  }

  #establish(definition: KubeObject): void {
    if (isTrue(definition, 'Established')) return;
    this.#write(
      withCondition(definition as unknown as JsonObject, {
        type: 'Established',
        status: 'True',
        lastTransitionTime: timeText(this.#environment.now()),
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      }),
    );
  }

  #nameConflict(definition: KubeObject): { reason: string; message: string } | undefined {
    const group = textAt(definition, 'spec', 'group');
    const names = objectAt(definition, 'spec', 'names') ?? {};
    const plurals = new Set<string>();
    const kinds = new Set<string>();
    for (const other of this.#store.list(collection)) {
      if (other.metadata.name === definition.metadata.name || textAt(other, 'spec', 'group') !== group) continue;
      const taken = objectAt(other, 'status', 'acceptedNames') ?? {};
      for (const name of [taken['plural'], taken['singular'], ...listAt(taken, 'shortNames')])
        plurals.add(shown(name ?? ''));
      kinds.add(textAt(taken, 'kind'));
      kinds.add(textAt(taken, 'listKind'));
    }
    const inUse = (name: string): string => `"${name}" is already in use`;
    const isTaken = (set: ReadonlySet<string>, name: string): boolean => name !== '' && set.has(name);
    // The library reports the last conflict it meets, in this order.
    if (isTaken(kinds, textAt(names, 'listKind')))
      return { reason: 'ListKindConflict', message: inUse(textAt(names, 'listKind')) };
    if (isTaken(kinds, textAt(names, 'kind'))) return { reason: 'KindConflict', message: inUse(textAt(names, 'kind')) };
    const short = listAt(names, 'shortNames').find((name) => isTaken(plurals, String(name)));
    if (short !== undefined) return { reason: 'ShortNamesConflict', message: inUse(shown(short)) };
    if (isTaken(plurals, textAt(names, 'singular')))
      return { reason: 'SingularConflict', message: inUse(textAt(names, 'singular')) };
    if (isTaken(plurals, textAt(names, 'plural')))
      return { reason: 'PluralConflict', message: inUse(textAt(names, 'plural')) };
    return undefined;
  }

  /** Deletes the instances; the finalizer goes when none is left. */
  #cleanUp(definition: KubeObject): void {
    const name = definition.metadata.name ?? '';
    if (!(definition.metadata.finalizers ?? []).includes(cleanupFinalizer)) return;
    if (conditionOf(definition, 'Terminating')?.['reason'] === 'InstanceDeletionPending') {
      this.#write(
        withCondition(definition as unknown as JsonObject, {
          type: 'Terminating',
          status: 'True',
          lastTransitionTime: timeText(this.#environment.now()),
          reason: 'InstanceDeletionInProgress',
          message: 'CustomResource deletion is in progress',
        }),
      );
      return;
    }
    const resource = this.#registry.byName(name);
    const storageName = `${textAt(definition, 'spec', 'names', 'plural')}.${textAt(definition, 'spec', 'group')}`;
    for (const instance of this.#store.list(storageName)) {
      if (resource === undefined) this.#store.remove(storageName, instance);
      else if (instance.metadata.deletionTimestamp === undefined)
        this.#deleteInstance(resource.storageName, instance, name);
    }
    if (this.#store.count(storageName) > 0) {
      if (!this.#instances.has(name)) {
        this.#instances.set(
          name,
          this.#store.listen(storageName, (change) => {
            if (change.type === 'DELETED') this.#wake(name);
          }),
        );
      }
      return;
    }
    const latest = this.#store.get(collection, '', name) ?? definition;
    const finalizers = (latest.metadata.finalizers ?? []).filter((item) => item !== cleanupFinalizer);
    const { finalizers: _old, ...metadata } = latest.metadata;
    if (finalizers.length === 0) this.#store.remove(collection, { ...latest, metadata });
    else this.#store.put(collection, { ...latest, metadata: { ...metadata, finalizers } });
  }

  #deleteInstance(_storageName: string, instance: KubeObject, name: string): void {
    const resource = this.#registry.byName(name);
    if (resource === undefined) return;
    deleteObject(this.#environment, resource, instance.metadata.namespace, instance.metadata.name ?? '', {
      gracePeriodSeconds: undefined,
      propagationPolicy: undefined,
      orphanDependents: undefined,
      uid: undefined,
      resourceVersion: undefined,
      dryRun: false,
    });
  }

  /** Stops reacting. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#listener[Symbol.dispose]();
    for (const listener of this.#instances.values()) listener[Symbol.dispose]();
  }
}

function withAccepted(definition: JsonObject, names: JsonObject): JsonObject {
  const status = isObject(definition['status']) ? definition['status'] : {};
  return { ...definition, status: { ...status, acceptedNames: names } };
}
