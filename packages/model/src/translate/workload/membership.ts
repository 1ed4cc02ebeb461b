// Which services a workload belongs to and on which ports (spec control-plane 2.5, 2.6). In: labels and port names.
// Out: the `services` map of the message, keys in order.
import type { Pod, ServiceEntryPort, ServicePort } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { type Labels, SERVICE_NAME } from '../../labels.ts';
import type { WorkloadInit } from '../../wire.ts';
import { hostnameOf } from '../service/definition.ts';
import { winnersOf } from '../service/winners.ts';

type Services = NonNullable<WorkloadInit['services']>;
type Port = { servicePort: number; targetPort: number };

/** Most ports of one workload in all its services together; upstream has no limit, and one namespace could fill the memory of every proxy. */
export const MAX_PORTS = 10_000;

/** Services found for a workload: how many ports each has, and how to make the list. */
class Found {
  readonly #services = new Map<string, { readonly count: number; readonly ports: () => Port[] }>();

  add(key: string, count: number, ports: () => Port[]): void {
    this.#services.set(key, { count, ports });
  }

  /** The map with its keys in order. What is over the limit has no ports; small services come first, so that a huge one hurts itself only. */
  inOrder(view: View): Services {
    const kept = new Map<string, Port[]>();
    let room = MAX_PORTS;
    for (const [key, { count, ports }] of [...this.#services].toSorted(([, a], [, b]) => a.count - b.count)) {
      const isOver = count > room;
      if (isOver)
        view.note(`ports of ${key} are left out: a workload has at most ${MAX_PORTS} ports in all its services`);
      kept.set(key, isOver ? [] : ports());
      if (!isOver) room -= count;
    }
    return inOrder(kept);
  }
}

/** How a kind of workload finds the port that a service port leads to; undefined leaves the port out. */
export interface PortResolver {
  /** `named` carries the names that count for the number of `port`. */
  ofService(port: ServicePort, named: ServicePort): number | undefined;
  ofServiceEntry(port: ServiceEntryPort): number | undefined;
}

/** Services of a pod: by selector, and through slices that name it whatever the selector of their Service says. */
export function servicesOfPod(view: View, pod: Pod): Services {
  const { namespace, key } = identityOf(pod);
  const resolver = podPorts(pod);
  const found = new Found();
  for (const item of view.selecting(namespace, pod.metadata.labels ?? {})) {
    if (item.startsWith('Service ') || view.options.selectPodsByServiceEntry) addItem(view, found, item, resolver);
  }
  for (const slice of view.slicesOfPod(key)) {
    const name = slice.metadata.labels?.[SERVICE_NAME];
    if (name === undefined || slice.addressType === 'FQDN') continue;
    const isNamed = (slice.endpoints ?? []).some((e) => e.targetRef?.kind === 'Pod' && refersTo(e.targetRef, pod));
    if (isNamed) addService(view, found, `${identityOf(slice).namespace}/${name}`, resolver);
  }
  return found.inOrder(view);
}

/** Services of a WorkloadEntry. */
export function servicesOfWorkloadEntry(
  view: View,
  namespace: string,
  labels: Labels,
  ports: Readonly<Record<string, number>>,
): Services {
  const resolver = entryPorts(ports);
  const found = new Found();
  for (const item of view.selecting(namespace, labels)) {
    if (item.startsWith('Service ') && !view.options.selectWorkloadEntriesByService) continue;
    addItem(view, found, item, resolver);
  }
  return found.inOrder(view);
}

/** The map with its keys in order, which makes the encoding deterministic. */
export function inOrder(found: ReadonlyMap<string, Port[]>): Services {
  const services: Services = {};
  for (const key of [...found.keys()].toSorted()) services[key] = { ports: found.get(key) ?? [] };
  return services;
}

/** Port of an endpoint that lists ports by name, or the service's own. */
export function serviceEntryTarget(ports: Readonly<Record<string, number>>, port: ServiceEntryPort): number {
  return ports[port.name] ?? port.targetPort ?? port.number;
}

function refersTo(ref: { namespace?: string; name?: string; uid?: string }, pod: Pod): boolean {
  const { namespace, name } = identityOf(pod);
  return ref.namespace === namespace && ref.name === name && (ref.uid ?? '') === (pod.metadata.uid ?? '');
}

function addItem(view: View, found: Found, item: string, resolver: PortResolver): void {
  const key = item.slice(item.indexOf(' ') + 1);
  if (item.startsWith('Service ')) addService(view, found, key, resolver);
  else addServiceEntry(view, found, key, resolver);
}

function addService(view: View, found: Found, key: string, resolver: PortResolver): void {
  const service = view.get('Service', key);
  if (service === undefined || service.spec?.type === 'ExternalName') return;
  const { namespace, name } = identityOf(service);
  const hostname = hostnameOf(namespace, name, view.options.domain);
  if (winnersOf(view, hostname).byNamespace.get(namespace)?.kind !== 'Service') return;
  const given = service.spec?.ports ?? [];
  found.add(`${namespace}/${hostname}`, given.length, () => {
    const ports: Port[] = [];
    const named = byNumber(given);
    for (const port of given) {
      const targetPort = resolver.ofService(port, named.get(port.port) ?? port);
      if (targetPort !== undefined) ports.push({ servicePort: port.port, targetPort });
    }
    return ports;
  });
}

function addServiceEntry(view: View, found: Found, key: string, resolver: PortResolver): void {
  const entry = view.get('ServiceEntry', key);
  if (entry === undefined) return;
  const { namespace, name } = identityOf(entry);
  for (const host of entry.spec?.hosts ?? []) {
    const winner = winnersOf(view, host).byNamespace.get(namespace);
    if (winner?.kind !== 'ServiceEntry' || winner.name !== name) continue;
    const given = entry.spec?.ports ?? [];
    found.add(`${namespace}/${host}`, given.length, () => {
      const ports: Port[] = [];
      for (const port of given) {
        const targetPort = resolver.ofServiceEntry(port);
        if (targetPort !== undefined) ports.push({ servicePort: port.number, targetPort });
      }
      return ports;
    });
  }
}

/** Ports by number; of several protocols with one number the last gives the names, as upstream has it. */
export function byNumber(ports: readonly ServicePort[]): ReadonlyMap<number, ServicePort> {
  return new Map(ports.map((port) => [port.port, port]));
}

const isName = (target: ServicePort['targetPort']): target is string => typeof target === 'string' && target !== '';
const numberOf = (target: ServicePort['targetPort']): number => (typeof target === 'number' ? target : 0);

function podPorts(pod: Pod): PortResolver {
  const named = (name: string): number | undefined => {
    const sidecars = (pod.spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
    for (const container of [...(pod.spec?.containers ?? []), ...sidecars]) {
      const port = (container.ports ?? []).find((p) => p.name === name && p.protocol === 'TCP');
      if (port !== undefined) return port.containerPort;
    }
    return undefined;
  };
  return {
    ofService: (port, { targetPort }) => (isName(targetPort) ? named(targetPort) : numberOf(port.targetPort)),
    ofServiceEntry: (port) => named(port.name) ?? port.targetPort ?? port.number,
  };
}

function entryPorts(ports: Readonly<Record<string, number>>): PortResolver {
  return {
    ofService: (port, { name = '', targetPort }) =>
      isName(targetPort) ? ports[targetPort] : (ports[name] ?? numberOf(port.targetPort)),
    ofServiceEntry: (port) => serviceEntryTarget(ports, port),
  };
}
