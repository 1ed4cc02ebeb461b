// Cluster addresses and node ports of Services, given when a Service is stored, so that its creator sees them in the answer
// (spec local-cluster 9). What somebody asks for has to be in its range and free.
// In: a Service on its way to the store. Out: the same with its addresses, or 422 with the words of Kubernetes. What is stored
// counts as taken, so addresses survive a restart. Called by the API server's write path.
import { isIPv4 } from 'node:net';
import type { ObjectApi } from '../api/object-api.ts';
import { invalidValue } from '../api/field-error.ts';
import { internalError, invalid } from '../api/status.ts';
import type { FieldProblem } from '../api/status.ts';
import type { Admission } from '../api/write/context.ts';
import { addressAt, offsetOf } from './address-pool.ts';
import type { Service, ServicePort } from './objects.ts';

const SERVICE_BASE = '10.96.0.0';
const SERVICE_RANGE = `${SERVICE_BASE}/16`;
const LAST_OFFSET = 65_534;
// The first addresses are fixed (`kubernetes`, DNS) or left for explicit choice.
const FIRST_DYNAMIC = 256;
const NODE_PORTS = { first: 30_000, last: 32_767 } as const;

/** The step. Each runs to its end before the next write, so that nothing is given twice. */
export function createServiceAllocation(api: Pick<ObjectApi, 'list'>): Admission {
  const nextAddress = createChooser(FIRST_DYNAMIC, LAST_OFFSET);
  const nextPort = createChooser(NODE_PORTS.first, NODE_PORTS.last);
  return ({ resource, operation, subresource, object, previous }) => {
    if (resource !== 'services' || operation === 'DELETE' || subresource !== undefined) return object;
    const service = object as Service;
    const before = previous as Service | undefined;
    const { name, namespace } = service.metadata;
    const others = api
      .list<Service>('services')
      .items.filter(({ metadata }) => metadata.name !== name || metadata.namespace !== namespace);
    const problems = [...addressProblems(service, before, others), ...portProblems(service, before, others)];
    if (problems.length > 0) throw invalid({ group: '', kind: 'Service' }, name, problems);
    const spec = completeSpec(
      service.spec,
      () =>
        addressAt(
          SERVICE_BASE,
          nextAddress((offset) => hasAddress(others, addressAt(SERVICE_BASE, offset))),
        ),
      (own) => nextPort((port) => own.has(port) || hasNodePort(others, port)),
    );
    return { ...service, spec } as Service;
  };
}

const hasAddress = (services: readonly Service[], ip: string): boolean =>
  services.some(({ spec }) => spec.clusterIP === ip);
const hasNodePort = (services: readonly Service[], nodePort: number): boolean =>
  services.some(({ spec }) => (spec.ports ?? []).some((port) => port.nodePort === nodePort));

/** Chooses free numbers of a range in order, wrapping, so that freed ones rest a while. */
function createChooser(first: number, last: number): (isTaken: (value: number) => boolean) => number {
  let cursor = first;
  return (isTaken) => {
    for (let tried = first; tried <= last; tried += 1) {
      const value = cursor;
      cursor = cursor >= last ? first : cursor + 1;
      if (!isTaken(value)) return value;
    }
    throw internalError('range is full');
  };
}

/** The spec with every missing address and node port filled in. */
function completeSpec(
  spec: Service['spec'],
  nextAddress: () => string,
  nextPort: (own: ReadonlySet<number>) => number,
): Service['spec'] {
  if (spec.type === 'ExternalName') return spec;
  const clusterIP = spec.clusterIP === undefined || spec.clusterIP === '' ? nextAddress() : spec.clusterIP;
  const clusterIPs = spec.clusterIPs?.[0] === clusterIP ? spec.clusterIPs : [clusterIP];
  const isExposed =
    spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
  if (!isExposed || spec.ports === undefined) return { ...spec, clusterIP, clusterIPs };
  const own = new Set(spec.ports.flatMap(({ nodePort = 0 }) => (nodePort === 0 ? [] : [nodePort])));
  const ports = spec.ports.map((port): ServicePort => {
    if ((port.nodePort ?? 0) !== 0) return port;
    const nodePort = nextPort(own);
    own.add(nodePort);
    return { ...port, nodePort };
  });
  return { ...spec, clusterIP, clusterIPs, ports };
}

// A text that is no address is the business of validation.
function addressProblems(service: Service, before: Service | undefined, others: readonly Service[]): FieldProblem[] {
  const { clusterIP = '' } = service.spec;
  if (!isIPv4(clusterIP) || clusterIP === before?.spec.clusterIP) return [];
  const offset = offsetOf(SERVICE_BASE, clusterIP);
  const reason =
    offset < 1 || offset > LAST_OFFSET
      ? `the provided IP (${clusterIP}) is not in the valid range. The range of valid IPs is ${SERVICE_RANGE}`
      : hasAddress(others, clusterIP)
        ? 'provided IP is already allocated'
        : undefined;
  if (reason === undefined) return [];
  return [invalidValue('spec.clusterIPs', [clusterIP], `failed to allocate IP ${clusterIP}: ${reason}`)];
}

function portProblems(service: Service, before: Service | undefined, others: readonly Service[]): FieldProblem[] {
  const kept = new Set((before?.spec.ports ?? []).map(({ nodePort }) => nodePort));
  return (service.spec.ports ?? []).flatMap(({ nodePort = 0 }, index) => {
    if (nodePort === 0 || kept.has(nodePort)) return [];
    const reason =
      nodePort < NODE_PORTS.first || nodePort > NODE_PORTS.last
        ? `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`
        : hasNodePort(others, nodePort)
          ? 'provided port is already allocated'
          : undefined;
    return reason === undefined ? [] : [invalidValue(`spec.ports[${index}].nodePort`, nodePort, reason)];
  });
}
