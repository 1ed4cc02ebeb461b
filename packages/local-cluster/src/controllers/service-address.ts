// Service addresses: ClusterIPs, node ports and local load-balancer addresses.
// Comes in: Services. Goes out: spec.clusterIP(s), spec.ports[].nodePort, status.loadBalancer. What is stored counts as
// taken, so addresses survive a restart. Main thread.
import type { Service, ServicePort } from './objects.ts';
import { addressAt, createNumberPool, offsetOf } from './address-pool.ts';
import { controllerOfParts, keyOf, splitKey } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { createWorkQueue } from './work-queue.ts';

/** The range of ClusterIPs. */
export const SERVICE_BASE = '10.96.0.0';
/** The range of load-balancer addresses, reachable like ClusterIPs. */
export const LOAD_BALANCER_BASE = '10.97.0.0';
/** The range of node ports, both included. */
export const NODE_PORTS = { first: 30_000, last: 32_767 } as const;
// The first addresses are fixed (`kubernetes`, DNS) or left for explicit choice.
const FIRST_DYNAMIC = 256;

/** Starts the allocator; services that are present keep what they have. */
export function startServiceAddressController(context: ControllerContext): Controller {
  const clusterIps = createNumberPool(FIRST_DYNAMIC, 65_534);
  const balancers = createNumberPool(1, 65_534);
  const nodePorts = createNumberPool(NODE_PORTS.first, NODE_PORTS.last);
  const note = (service: Service, action: 'take' | 'release'): void => {
    const ip = service.spec.clusterIP;
    if (ip !== undefined && ip !== '' && ip !== 'None') clusterIps[action](offsetOf(SERVICE_BASE, ip));
    for (const port of service.spec.ports ?? []) if (port.nodePort !== undefined) nodePorts[action](port.nodePort);
    for (const { ip: lb } of service.status?.loadBalancer?.ingress ?? []) {
      if (lb !== undefined) balancers[action](offsetOf(LOAD_BALANCER_BASE, lb));
    }
  };

  const reconcile = async (key: string): Promise<void> => {
    const { namespace, name } = splitKey(key);
    const service = context.api.get<Service>('services', name, namespace);
    if (service === undefined || service.metadata.deletionTimestamp !== undefined) return;
    const spec = neededSpec(
      service,
      () => nextAddress(SERVICE_BASE, clusterIps.next()),
      () => nodePorts.next(),
    );
    if (spec !== undefined) {
      await context.api.update('services', { ...service, spec } as Service).catch((error: unknown) => {
        releaseNew(service, spec, clusterIps, nodePorts);
        throw error;
      });
    }
    const ingress = service.status?.loadBalancer?.ingress ?? [];
    if (service.spec.type === 'LoadBalancer' && ingress.length === 0) {
      const ip = nextAddress(LOAD_BALANCER_BASE, balancers.next());
      const status = { loadBalancer: { ingress: [{ ip, ipMode: 'VIP' }] } };
      await context.api.patch('services', name, namespace, { status }, { subresource: 'status' });
    }
  };

  const queue = createWorkQueue('service-address', context.log, reconcile);
  return controllerOfParts(
    queue,
    context.api.watch<Service>('services', {}, ({ type, object }) => {
      note(object, type === 'DELETED' ? 'release' : 'take');
      if (type !== 'DELETED') queue.add(keyOf(object));
    }),
  );
}

function nextAddress(base: string, offset: number | undefined): string {
  if (offset === undefined) throw new Error(`no free address is left in the range of ${base}`);
  return addressAt(base, offset);
}

function releaseNew(
  service: Service,
  spec: Service['spec'],
  ips: { release(value: number): void },
  ports: { release(value: number): void },
): void {
  if (spec.clusterIP !== service.spec.clusterIP && spec.clusterIP !== undefined) {
    ips.release(offsetOf(SERVICE_BASE, spec.clusterIP));
  }
  const before = new Set((service.spec.ports ?? []).map((port) => port.nodePort));
  for (const port of spec.ports ?? []) {
    if (port.nodePort !== undefined && !before.has(port.nodePort)) ports.release(port.nodePort);
  }
}

/** The spec with every missing address filled in, or undefined when nothing is missing. Asks the pools. */
export function neededSpec(
  service: Service,
  nextClusterIp: () => string,
  nextNodePort: () => number | undefined,
): Service['spec'] | undefined {
  const { spec } = service;
  if (spec.type === 'ExternalName') return undefined;
  let changed = false;
  let { clusterIP, clusterIPs } = spec;
  if (clusterIP === undefined || clusterIP === '') {
    clusterIP = nextClusterIp();
    changed = true;
  }
  if (clusterIPs === undefined || clusterIPs[0] !== clusterIP) {
    clusterIPs = [clusterIP];
    changed = true;
  }
  const exposed =
    spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
  const ports = (spec.ports ?? []).map((port): ServicePort => {
    if (!exposed || (port.nodePort ?? 0) !== 0) return port;
    const nodePort = nextNodePort();
    if (nodePort === undefined) return port;
    changed = true;
    return { ...port, nodePort };
  });
  return changed ? { ...spec, clusterIP, clusterIPs, ports } : undefined;
}
