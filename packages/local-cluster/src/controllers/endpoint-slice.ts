// EndpointSlices: which pods stand behind which Service port, within 100 ms of a change of readiness.
// Comes in: Services and pods. Goes out: EndpointSlices of this controller; slices made by hand stay. Main thread.
import type { EndpointSlice, Node, Pod, Service } from './objects.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isNotFound } from '../api/status.ts';
import { MANAGED_BY } from './cluster-services.ts';
import { planSlices } from './endpoint-plan.ts';
import type { PlannedSlice } from './endpoint-plan.ts';
import { ownerReferenceTo } from './owner-reference.ts';
import { canonicalJson } from './pod-from-template.ts';
import { matchesLabels } from './selector.ts';
import { createWorkQueue } from './work-queue.ts';

const MANAGER = 'endpointslice-controller.k8s.io';
const SERVICE_NAME = 'kubernetes.io/service-name';

/** Starts the EndpointSlice controller. */
export function startEndpointSliceController(context: ControllerContext): Controller {
  const queue = createWorkQueue('endpointslice', context.log, (key) => reconcile(context, key));
  const wakeServicesOf = (pod: Pod): void => {
    const namespace = pod.metadata.namespace ?? '';
    for (const service of context.api.list<Service>('services', { namespace }).items) {
      const selector = service.spec.selector;
      if (selector !== undefined && matchesLabels(selector, pod.metadata.labels)) queue.add(keyOf(service));
    }
  };
  return controllerOfParts(
    queue,
    context.api.watch<Service>('services', {}, ({ object }) => queue.add(keyOf(object))),
    context.api.watch<Pod>('pods', {}, ({ object, previous }) => {
      wakeServicesOf(object);
      if (previous !== undefined && previous.metadata.labels !== object.metadata.labels) wakeServicesOf(previous);
    }),
    context.api.watch<EndpointSlice>('endpointslices.discovery.k8s.io', {}, ({ type, object }) => {
      const service = object.metadata.labels?.[SERVICE_NAME];
      if (type === 'DELETED' && service !== undefined) queue.add(`${object.metadata.namespace ?? ''}/${service}`);
    }),
  );
}

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const service = context.api.get<Service>('services', name, namespace);
  const present = context.api
    .list<EndpointSlice>('endpointslices.discovery.k8s.io', { namespace })
    .items.filter(
      (slice) => slice.metadata.labels?.[SERVICE_NAME] === name && slice.metadata.labels?.[MANAGED_BY] === MANAGER,
    );
  const unmanaged =
    service === undefined || service.spec.selector === undefined || Object.keys(service.spec.selector).length === 0;
  const planned =
    unmanaged || service.spec.type === 'ExternalName'
      ? []
      : planSlices(service, context.api.list<Pod>('pods', { namespace }).items, zonesOf(context));
  const left = [...present];
  for (const slice of planned) {
    const match = left.findIndex((each) => canonicalJson(portsOf(each)) === canonicalJson(slice.ports));
    if (match === -1) await createSlice(context, service as Service, slice);
    else await updateSlice(context, left.splice(match, 1)[0] as EndpointSlice, slice);
  }
  for (const slice of left) {
    await context.api
      .delete('endpointslices.discovery.k8s.io', slice.metadata.name, namespace)
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
}

const portsOf = (slice: EndpointSlice): unknown => slice.ports ?? [];

function zonesOf(context: ControllerContext): Map<string, string> {
  const zones = new Map<string, string>();
  for (const node of context.api.list<Node>('nodes').items) {
    const zone = node.metadata.labels?.['topology.kubernetes.io/zone'];
    if (zone !== undefined) zones.set(node.metadata.name, zone);
  }
  return zones;
}

async function createSlice(context: ControllerContext, service: Service, plan: PlannedSlice): Promise<void> {
  const slice: EndpointSlice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace ?? 'default',
      labels: {
        ...service.metadata.labels,
        [SERVICE_NAME]: service.metadata.name,
        [MANAGED_BY]: MANAGER,
        ...(service.spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {}),
      },
      ownerReferences: [ownerReferenceTo(service)],
    } as unknown as EndpointSlice['metadata'],
    addressType: 'IPv4',
    endpoints: plan.endpoints,
    ports: plan.ports,
  };
  await context.api.create('endpointslices.discovery.k8s.io', slice);
}

async function updateSlice(context: ControllerContext, slice: EndpointSlice, plan: PlannedSlice): Promise<void> {
  if (canonicalJson(slice.endpoints ?? []) === canonicalJson(plan.endpoints)) return;
  await context.api.update('endpointslices.discovery.k8s.io', { ...slice, endpoints: plan.endpoints } as EndpointSlice);
}
