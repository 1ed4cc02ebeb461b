// The endpoints of a Service, grouped into slices. Pure.
import type { Endpoint, Pod, Service } from './objects.ts';
import { canonicalJson } from './pod-from-template.ts';
import { isPodFinished, isPodReady, matchesLabels } from './selector.ts';

/** One slice: endpoints that share the same numeric ports. */
export interface PlannedSlice {
  readonly ports: { name: string; protocol: string; port: number; appProtocol?: string }[];
  readonly endpoints: Endpoint[];
}

const MAX_ENDPOINTS = 100;

/** Plans the slices: one per set of resolved ports, at most 100 endpoints each, ordered by pod name. */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  zoneOfNode: ReadonlyMap<string, string>,
): PlannedSlice[] {
  const groups = new Map<string, PlannedSlice>();
  const selected = pods.filter((pod) => isSelected(service, pod));
  selected.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  for (const pod of selected) {
    const ports = resolvePorts(service, pod);
    const key = canonicalJson(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(service, pod, zoneOfNode));
  }
  return [...groups.values()].flatMap(split);
}

function isSelected(service: Service, pod: Pod): boolean {
  return (
    matchesLabels(service.spec.selector ?? {}, pod.metadata.labels) &&
    (pod.status?.podIP ?? '') !== '' &&
    !isPodFinished(pod)
  );
}

function endpointOf(service: Service, pod: Pod, zoneOfNode: ReadonlyMap<string, string>): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const zone = zoneOfNode.get(pod.spec.nodeName ?? '');
  const named = pod.spec.hostname !== undefined && pod.spec.subdomain === service.metadata.name;
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: {
      ready: service.spec.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(named ? { hostname: pod.spec.hostname as string } : {}),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    ...(zone === undefined ? {} : { zone }),
    targetRef: {
      kind: 'Pod',
      namespace: pod.metadata.namespace ?? 'default',
      name: pod.metadata.name,
      uid: pod.metadata.uid ?? '',
    },
  };
}

function resolvePorts(service: Service, pod: Pod): PlannedSlice['ports'] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const protocol = port.protocol ?? 'TCP';
    const target = port.targetPort ?? port.port;
    const number = typeof target === 'number' ? target : namedPort(pod, target, protocol);
    if (number === undefined) return [];
    return [
      {
        name: port.name ?? '',
        protocol,
        port: number === 0 ? port.port : number,
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      },
    ];
  });
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const numeric = Number(name);
  if (Number.isInteger(numeric) && numeric > 0) return numeric;
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  for (const container of containers) {
    const port = container.ports?.find((each) => each.name === name && (each.protocol ?? 'TCP') === protocol);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

function split(slice: PlannedSlice): PlannedSlice[] {
  const parts: PlannedSlice[] = [];
  for (let start = 0; start < slice.endpoints.length; start += MAX_ENDPOINTS) {
    parts.push({ ports: slice.ports, endpoints: slice.endpoints.slice(start, start + MAX_ENDPOINTS) });
  }
  return parts;
}
