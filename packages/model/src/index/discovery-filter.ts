// Which namespaces the mesh looks at (`discoverySelectors` of the mesh configuration, spec control-plane 2.3).
// In: changes of the cluster in any order. Out: the changes that the model shall see, among them those that a namespace
// brings along when its labels begin or cease to match. Called by model.ts. Pure, in memory.
import type { KubernetesObject, LabelSelector } from '@ambit/resources';
import { matchesLabelSelector } from '@ambit/resources/label-selector';
import type { ObjectChange } from '../model.ts';
import { keyOf } from './objects.ts';

/** Holds back the objects of namespaces that no selector matches; without selectors everything passes. */
export class DiscoveryFilter {
  readonly #selectors: readonly LabelSelector[];
  readonly #selected = new Set<string>();
  /** Namespace -> `<kind> <namespace>/<name>` -> the object as last seen, passed on or held back. */
  readonly #objects = new Map<string, Map<string, KubernetesObject>>();

  constructor(selectors: readonly LabelSelector[]) {
    this.#selectors = selectors;
  }

  /** The changes that follow from one change, in order. Objects without a namespace always pass. */
  *pass(change: ObjectChange): Iterable<ObjectChange> {
    if (this.#selectors.length === 0) {
      yield change;
      return;
    }
    const kind = change.type === 'delete' ? change.kind : (change.object.kind ?? '');
    const key = change.type === 'delete' ? `${change.namespace}/${change.name}` : keyOf(change.object);
    const namespace = key.slice(0, key.indexOf('/'));
    if (namespace !== '') {
      this.#remember(namespace, `${kind} ${key}`, change);
      if (this.#selected.has(namespace)) yield change;
      return;
    }
    yield change;
    if (kind === 'Namespace') yield* this.#judge(key.slice(1), change);
  }

  #remember(namespace: string, id: string, change: ObjectChange): void {
    const known = this.#objects.get(namespace) ?? new Map<string, KubernetesObject>();
    if (change.type === 'delete') known.delete(id);
    else known.set(id, change.object);
    if (known.size === 0) this.#objects.delete(namespace);
    else this.#objects.set(namespace, known);
  }

  *#judge(namespace: string, change: ObjectChange): Iterable<ObjectChange> {
    const labels = change.type === 'delete' ? undefined : (change.object.metadata?.labels ?? {});
    const isSelected =
      labels !== undefined && this.#selectors.some((selector) => matchesLabelSelector(selector, labels));
    if (isSelected === this.#selected.has(namespace)) return;
    if (isSelected) this.#selected.add(namespace);
    else this.#selected.delete(namespace);
    for (const object of this.#objects.get(namespace)?.values() ?? [])
      yield isSelected
        ? { type: 'upsert', object }
        : { type: 'delete', kind: object.kind ?? '', namespace, name: object.metadata?.name ?? '' };
  }
}
