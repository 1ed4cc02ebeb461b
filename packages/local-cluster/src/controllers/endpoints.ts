// Endpoints: the older form of EndpointSlices, for clients that still read it (`kubectl get endpoints`).
// Comes in: slices of Services with a selector and of the cluster's own services. Goes out: one Endpoints object per
// Service; objects made by hand stay. Main thread.
import { isNotFound } from '../api/status.ts';
import { CLUSTER_SLICES, MANAGED_BY } from './cluster-services.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import type { AnyObject, Endpoint, EndpointSlice, Service } from './objects.ts';
import { canonicalJson } from './pod-from-template.ts';
import { createWorkQueue } from './work-queue.ts';

const SERVICE_NAME = 'kubernetes.io/service-name';
const OWN = 'endpoints.kubernetes.io/managed-by';
const OWNER = 'endpoint-controller';
const SLICES = 'endpointslices.discovery.k8s.io';

interface EndpointAddress {
  readonly ip: string;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly targetRef?: Endpoint['targetRef'];
}

/** One subset of an Endpoints object: addresses that share ports. */
export interface EndpointSubset {
  readonly addresses?: EndpointAddress[];
  readonly notReadyAddresses?: EndpointAddress[];
  readonly ports?: object[];
}

interface Endpoints extends AnyObject {
  readonly subsets?: readonly EndpointSubset[];
}

/** Starts the Endpoints controller. */
export function startEndpointsController(context: ControllerContext): Controller {
  const { api } = context;
  const queue = createWorkQueue('endpoints', context.log, (key) => reconcile(context, key));
  return controllerOfParts(
    queue,
    api.watch<Service>('services', {}, ({ object }) => queue.add(keyOf(object))),
    api.watch<EndpointSlice>(SLICES, {}, ({ object }) => {
      const service = object.metadata.labels?.[SERVICE_NAME];
      if (service !== undefined) queue.add(`${object.metadata.namespace ?? ''}/${service}`);
    }),
    api.watch<Endpoints>('endpoints', {}, ({ type, object }) => {
      if (type !== 'ADDED') queue.add(keyOf(object));
    }),
  );
}

async function reconcile({ api }: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const service = api.get<Service>('services', name, namespace);
  const present = api.get<Endpoints>('endpoints', name, namespace);
  const isOurs = present === undefined || present.metadata.labels?.[OWN] === OWNER;
  if (!isOurs) return;
  const slices = api
    .list<EndpointSlice>(SLICES, { namespace, labelSelector: `${SERVICE_NAME}=${name}` })
    .items.filter(
      (slice) => service?.spec.selector !== undefined || slice.metadata.labels?.[MANAGED_BY] === CLUSTER_SLICES,
    );
  if (service === undefined || (service.spec.selector === undefined && slices.length === 0)) {
    if (present === undefined) return;
    await api.delete('endpoints', name, namespace).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
    return;
  }
  const subsets = subsetsOf(slices);
  const labels = {
    ...service.metadata.labels,
    [OWN]: OWNER,
    ...(service.spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
  };
  const wanted = {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels },
    ...(subsets.length === 0 ? {} : { subsets }),
  };
  if (present === undefined) await api.create('endpoints', wanted);
  else if (
    canonicalJson(present.subsets ?? []) !== canonicalJson(subsets) ||
    canonicalJson(present.metadata.labels ?? {}) !== canonicalJson(labels)
  )
    await api.update('endpoints', { ...wanted, metadata: { ...present.metadata, labels } } as AnyObject);
}

/** The subsets of slices: endpoints with the same ports together, ordered by address; terminating ones are left out. Pure. */
export function subsetsOf(slices: readonly EndpointSlice[]): EndpointSubset[] {
  const groups = new Map<string, { ports: object[]; ready: EndpointAddress[]; notReady: EndpointAddress[] }>();
  for (const slice of slices) {
    const ports = slice.ports ?? [];
    const key = canonicalJson(ports);
    const group = groups.get(key) ?? { ports, ready: [], notReady: [] };
    groups.set(key, group);
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, terminating } = endpoint.conditions ?? {};
      if (terminating === true && ready !== true) continue;
      group[ready === false ? 'notReady' : 'ready'].push(...addressesOf(endpoint));
    }
  }
  const byAddress = (left: EndpointAddress, right: EndpointAddress): number => (left.ip < right.ip ? -1 : 1);
  return [...groups.values()]
    .filter(({ ready, notReady }) => ready.length + notReady.length > 0)
    .map(({ ports, ready, notReady }) => ({
      ...(ready.length === 0 ? {} : { addresses: ready.toSorted(byAddress) }),
      ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady.toSorted(byAddress) }),
      ...(ports.length === 0 ? {} : { ports: ports.map(withoutEmptyName) }),
    }));
}

function withoutEmptyName(port: object): object {
  const { name, ...rest } = port as { name?: string };
  return name === undefined || name === '' ? rest : { name, ...rest };
}

const addressesOf = (endpoint: Endpoint): EndpointAddress[] =>
  endpoint.addresses.map((ip) => ({
    ip,
    ...(endpoint.hostname === undefined ? {} : { hostname: endpoint.hostname }),
    ...(endpoint.nodeName === undefined ? {} : { nodeName: endpoint.nodeName }),
    ...(endpoint.targetRef === undefined ? {} : { targetRef: endpoint.targetRef }),
  }));
