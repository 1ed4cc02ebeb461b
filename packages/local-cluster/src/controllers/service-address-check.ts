// Admission of Services: an address or node port that somebody asks for has to be in its range and free (spec
// local-cluster 9). In: a Service on its way to the store. Out: the same, or 422 with the words of Kubernetes. The
// allocator (service-address.ts) chooses what nobody asked for. Called by the API server's write path.
import { isIPv4 } from 'node:net';
import type { ObjectApi } from '../api/object-api.ts';
import { invalidValue } from '../api/field-error.ts';
import { invalid } from '../api/status.ts';
import type { FieldProblem } from '../api/status.ts';
import type { Admission } from '../api/write/context.ts';
import { offsetOf } from './address-pool.ts';
import type { Service } from './objects.ts';
import { NODE_PORTS, SERVICE_BASE } from './service-address.ts';

const SERVICE_RANGE = `${SERVICE_BASE}/16`;
const LAST_OFFSET = 65_534;

/** The step; it looks at the stored Services, so that what is stored counts as taken. */
export function createServiceAddressCheck(api: Pick<ObjectApi, 'list'>): Admission {
  return ({ resource, operation, subresource, object, previous }) => {
    if (resource !== 'services' || operation === 'DELETE' || subresource !== undefined) return object;
    const service = object as Service;
    const before = previous as Service | undefined;
    const others = api
      .list<Service>('services')
      .items.filter(
        ({ metadata }) => metadata.name !== service.metadata.name || metadata.namespace !== service.metadata.namespace,
      );
    const problems = [...addressProblems(service, before, others), ...portProblems(service, before, others)];
    if (problems.length === 0) return object;
    throw invalid({ group: '', kind: 'Service' }, service.metadata.name, problems);
  };
}

// A text that is no address is the business of validation.
function addressProblems(service: Service, before: Service | undefined, others: readonly Service[]): FieldProblem[] {
  const { clusterIP = '' } = service.spec;
  if (!isIPv4(clusterIP) || clusterIP === before?.spec.clusterIP) return [];
  const offset = offsetOf(SERVICE_BASE, clusterIP);
  const reason =
    offset < 1 || offset > LAST_OFFSET
      ? `the provided IP (${clusterIP}) is not in the valid range. The range of valid IPs is ${SERVICE_RANGE}`
      : others.some(({ spec }) => spec.clusterIP === clusterIP)
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
        : others.some(({ spec }) => (spec.ports ?? []).some((port) => port.nodePort === nodePort))
          ? 'provided port is already allocated'
          : undefined;
    return reason === undefined ? [] : [invalidValue(`spec.ports[${index}].nodePort`, nodePort, reason)];
  });
}
