// Which identities run on which node, for node authorization (spec control-plane 5.4). In: pod changes. Out: look-ups.
// Written by app.ts from the same changes as the model; read by ca/impersonation.ts. Main thread.
import type { ObjectChange } from '@ambit/model';
import type { Pod } from '@ambit/resources';

/** What node authorization needs to know of a pod. */
export interface PodFacts {
  readonly uid: string;
  readonly node: string;
  readonly serviceAccount: string;
}

/** Pods by name and by place. */
export class PodIndex {
  readonly #pods = new Map<string, PodFacts>();
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Set<() => void>();

  /** Takes over the pods among the changes. */
  apply(changes: Iterable<ObjectChange>): void {
    let isChanged = false;
    for (const change of changes) {
      const kind = change.type === 'delete' ? change.kind : change.object.kind;
      if (kind !== 'Pod') continue;
      isChanged = true;
      if (change.type === 'delete') this.#set(`${change.namespace}/${change.name}`, undefined);
      else this.#setPod(change.object as Pod);
    }
    if (isChanged) for (const wake of this.#waiting) wake();
  }

  pod(namespace: string, name: string): PodFacts | undefined {
    return this.#pods.get(`${namespace}/${name}`);
  }

  /** True when a pod with that identity runs on the node. */
  runsOn(node: string, namespace: string, serviceAccount: string): boolean {
    return this.#counts.has(placeOf(node, namespace, serviceAccount));
  }

  /** Resolves at the next change, or after `ms`. A request may be faster than our watch. */
  async nextChange(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      timer.unref();
      this.#waiting.add(wake);
    });
  }

  #setPod({ metadata, spec, status }: Pod): void {
    const key = `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
    const node = spec?.nodeName ?? '';
    if (status?.phase === 'Failed' || node === '') this.#set(key, undefined);
    else this.#set(key, { uid: metadata.uid ?? '', node, serviceAccount: spec?.serviceAccountName ?? 'default' });
  }

  #set(key: string, facts: PodFacts | undefined): void {
    const namespace = key.slice(0, key.indexOf('/'));
    const before = this.#pods.get(key);
    if (before !== undefined) this.#count(placeOf(before.node, namespace, before.serviceAccount), -1);
    if (facts === undefined) this.#pods.delete(key);
    else {
      this.#pods.set(key, facts);
      this.#count(placeOf(facts.node, namespace, facts.serviceAccount), 1);
    }
  }

  #count(place: string, step: 1 | -1): void {
    const count = (this.#counts.get(place) ?? 0) + step;
    if (count === 0) this.#counts.delete(place);
    else this.#counts.set(place, count);
  }
}

const placeOf = (node: string, namespace: string, serviceAccount: string): string =>
  `${node} ${namespace}/${serviceAccount}`;
