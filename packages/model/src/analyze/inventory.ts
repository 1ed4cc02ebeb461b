// Objects under analysis by kind and name. In: subjects. Out: look-ups in input order. Called by run.ts (writes) and by analyzers.
// Of two objects with one kind and name the later one counts. Pure.
import type { AnalyzedKind } from './kinds.ts';
import { DEFAULT_CLUSTER, type Subject } from './subject.ts';

/** All objects of one analysis. */
export class Inventory {
  readonly #kinds = new Map<AnalyzedKind, Map<string, Subject>>();
  readonly #podsByNamespace = new Map<string, Subject[]>();

  constructor(subjects: Iterable<Subject>) {
    for (const subject of subjects) {
      let objects = this.#kinds.get(subject.kind);
      if (objects === undefined) this.#kinds.set(subject.kind, (objects = new Map()));
      objects.set(`${subject.cluster} ${subject.fullName}`, subject);
    }
    for (const pod of this.all('Pod')) {
      const pods = this.#podsByNamespace.get(pod.namespace);
      if (pods === undefined) this.#podsByNamespace.set(pod.namespace, [pod]);
      else pods.push(pod);
    }
  }

  /** Every object of a kind. */
  all(kind: AnalyzedKind): Iterable<Subject> {
    return this.#kinds.get(kind)?.values() ?? [];
  }

  /** One object of the local cluster; `fullName` is `<namespace>/<name>` or a name of a cluster-wide kind. */
  find(kind: AnalyzedKind, fullName: string): Subject | undefined {
    return this.#kinds.get(kind)?.get(`${DEFAULT_CLUSTER} ${fullName}`);
  }

  /** Pods of one namespace. */
  podsIn(namespace: string): readonly Subject[] {
    return this.#podsByNamespace.get(namespace) ?? [];
  }
}
