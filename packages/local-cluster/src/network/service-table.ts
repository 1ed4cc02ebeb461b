// What the services mean on one node: every address and port people dial, with the endpoints behind it. Pure.
// Comes in: Services and EndpointSlices. Goes out: the table that nftables rules, the loopback relay and host listeners
// are made from.
import { isIPv4 } from 'node:net';
import type { EndpointSlice, Service, ServicePort } from '../controllers/objects.ts';

/** One endpoint behind a service port. */
export interface ServiceEndpoint {
  readonly ip: string;
  readonly port: number;
}

/** One service port with its endpoints. */
export interface ServiceRoute {
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** ClusterIP and load-balancer addresses. */
  readonly addresses: readonly string[];
  readonly nodePort: number | undefined;
  readonly endpoints: readonly ServiceEndpoint[];
  /** Seconds that a client sticks to an endpoint; undefined: no affinity. */
  readonly affinitySeconds: number | undefined;
}

/** Builds the routes of one node, ordered by service and port. */
export function buildServiceTable(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeName: string,
): ServiceRoute[] {
  const slicesByService = Map.groupBy(
    slices,
    (slice) => `${slice.metadata.namespace ?? ''}/${slice.metadata.labels?.['kubernetes.io/service-name'] ?? ''}`,
  );
  return services.flatMap((service) => {
    const key = `${service.metadata.namespace ?? ''}/${service.metadata.name}`;
    if (service.spec.type === 'ExternalName') return [];
    return (service.spec.ports ?? []).flatMap((port) =>
      routeOf(service, key, port, slicesByService.get(key) ?? [], nodeName),
    );
  });
}

function routeOf(
  service: Service,
  key: string,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  nodeName: string,
): ServiceRoute[] {
  const protocol = (port.protocol ?? 'TCP').toLowerCase();
  if (protocol !== 'tcp' && protocol !== 'udp') return [];
  const addresses = addressesOf(service);
  if (addresses.length === 0 || !isPort(port.port)) return [];
  return [
    {
      service: key,
      portName: port.name ?? '',
      protocol,
      port: port.port,
      addresses,
      nodePort: port.nodePort,
      endpoints: endpointsOf(service, port, slices, nodeName),
      affinitySeconds: service.spec.sessionAffinity === 'ClientIP' ? 10_800 : undefined,
    },
  ];
}

function addressesOf(service: Service): string[] {
  const { clusterIP } = service.spec;
  const own = clusterIP === undefined || clusterIP === '' || clusterIP === 'None' ? [] : [clusterIP];
  const balancer = (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
  return [...new Set([...own, ...balancer, ...(service.spec.externalIPs ?? [])])].filter(isUsable);
}

// The values end in rule text: whatever is not plainly an address or a port is left out.
const isUsable = (ip: string): boolean => isIPv4(ip) && !ip.startsWith('0.');
const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;

function endpointsOf(
  service: Service,
  port: ServicePort,
  slices: readonly EndpointSlice[],
  nodeName: string,
): ServiceEndpoint[] {
  const ready: (ServiceEndpoint & { node: string | undefined })[] = [];
  const serving: typeof ready = [];
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const match = slice.ports?.find(
      (each) => (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    );
    if (match?.port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0];
      if (ip === undefined || !isUsable(ip) || !isPort(match.port)) continue;
      const target = { ip, port: match.port, node: endpoint.nodeName };
      if (endpoint.conditions?.ready !== false) ready.push(target);
      else if (endpoint.conditions.serving === true) serving.push(target);
    }
  }
  const local = (list: typeof ready): typeof ready =>
    service.spec.internalTrafficPolicy === 'Local' ? list.filter((each) => each.node === nodeName) : list;
  // Endpoints on their way out still serve when no other is left.
  const chosen = local(ready).length > 0 ? local(ready) : local(serving);
  return chosen.map(({ ip, port: number }) => ({ ip, port: number }));
}
