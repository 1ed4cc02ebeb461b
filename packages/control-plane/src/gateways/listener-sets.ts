// Listeners that ListenerSets add to a Gateway whose class takes them: the Service that is deployed gets their ports (spec control-plane 6.3).
// In: sets and namespaces of the cluster. Out: the listeners of a Gateway, its own first. Called by deployer.ts; main thread.
import { type Informer, type KubeClient, startInformer } from '@ambit/kube';
import { allowsListenersFrom, gatewayOfListenerSet } from '@ambit/model/translate/listener-set-status';
import type { Gateway, KubernetesObject, ListenerSet } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { ListenerPort } from './gateway-metadata.ts';

/** The sets of the cluster. */
export interface ListenerSets {
  /** Settles when all are known. */
  readonly synced: Promise<unknown>;
  listenersOf(gateway: Gateway): readonly ListenerPort[];
  close(): void;
}

/** For classes that take none: a Gateway has its own listeners. */
export const NO_LISTENER_SETS: ListenerSets = {
  synced: Promise.resolve(),
  listenersOf: (gateway) => gateway.spec?.listeners ?? [],
  close: () => {},
};

/** Own listeners, then those of sets that name the Gateway and may, in the order of Gateway API: older sets first, then by name. */
export function listenersWithSets(
  gateway: Gateway,
  sets: Iterable<ListenerSet>,
  labelsOf: (namespace: string) => Readonly<Record<string, string>>,
): readonly ListenerPort[] {
  const key = `${gateway.metadata.namespace ?? ''}/${gateway.metadata.name ?? ''}`;
  const age = ({ metadata }: ListenerSet): string =>
    [metadata.creationTimestamp ?? '', metadata.namespace ?? '', metadata.name ?? ''].join(' ');
  const taken = [...sets]
    .filter((set) => gatewayOfListenerSet(set) === key)
    .filter((set) => allowsListenersFrom(gateway, set.metadata.namespace ?? '', labelsOf))
    .toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
  return [...(gateway.spec?.listeners ?? []), ...taken.flatMap((set) => set.spec?.listeners ?? [])];
}

/** Follows sets, and namespaces as far as Gateways choose by them. */
export function watchListenerSets(client: KubeClient, log: Logger, onChange: () => void): ListenerSets {
  const follow = (kind: 'ListenerSet' | 'Namespace', onChanges: () => void): Informer =>
    startInformer({ client, kind, isOptional: true, log, onChanges });
  const sets = follow('ListenerSet', onChange);
  const namespaces = follow('Namespace', () => {
    if (!sets.list()[Symbol.iterator]().next().done) onChange();
  });
  const labelsOf = (name: string): Readonly<Record<string, string>> =>
    (namespaces.get('', name) as KubernetesObject | undefined)?.metadata?.labels ?? {};
  return {
    synced: Promise.all([sets.synced, namespaces.synced]),
    listenersOf: (gateway) => listenersWithSets(gateway, sets.list() as Iterable<ListenerSet>, labelsOf),
    close() {
      sets.close();
      namespaces.close();
    },
  };
}
