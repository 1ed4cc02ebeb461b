// Endpoints of a slice that are not pods -> workloads (spec control-plane 2.8). Pure.
import type { EndpointSlice, ServicePort } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipBytes } from '../../ip.ts';
import { SERVICE_NAME } from '../../labels.ts';
import { HOST_NETWORK, UNHEALTHY, type WorkloadInit } from '../../wire.ts';
import { hostnameOf } from '../service/definition.ts';
import { byNumber, inOrder } from './membership.ts';
import { trustDomainOnWire } from './trust-domain.ts';

/** Workloads of a slice; none when its Service does not exist. This is how `kubernetes.default` becomes reachable. */
export function workloadsOfSlice(view: View, slice: EndpointSlice): WorkloadInit[] {
  const { namespace, name } = identityOf(slice);
  const serviceName = slice.metadata.labels?.[SERVICE_NAME];
  if (serviceName === undefined || (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6')) return [];
  const service = view.get('Service', `${namespace}/${serviceName}`);
  if (service === undefined || service.spec?.type === 'ExternalName') return [];
  const key = `${namespace}/${hostnameOf(namespace, serviceName, view.options.domain)}`;
  const services = inOrder(new Map([[key, portsOf(slice, service.spec?.ports ?? [])]]));
  const workloads = new Map<string, WorkloadInit>();
  for (const endpoint of slice.endpoints ?? []) {
    const addresses = (endpoint.addresses ?? []).map(ipBytes).filter((bytes) => bytes !== undefined);
    const isComplete = addresses.length === (endpoint.addresses ?? []).length;
    if (addresses.length === 0 || !isComplete || endpoint.targetRef?.kind === 'Pod') continue;
    // The name carries the text as it was written.
    const uid = `${view.options.clusterId}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${endpoint.addresses?.[0] ?? ''}`;
    if (workloads.has(uid)) continue;
    workloads.set(uid, {
      uid,
      name,
      namespace,
      addresses,
      clusterId: view.options.clusterId,
      trustDomain: trustDomainOnWire(view),
      networkMode: HOST_NETWORK,
      status: (endpoint.conditions?.ready ?? true) ? 0 : UNHEALTHY,
      services,
      network: view.network(),
    });
  }
  return [...workloads.values()];
}

/** Slice ports joined to Service ports by name. */
function portsOf(slice: EndpointSlice, servicePorts: readonly ServicePort[]) {
  const named = byNumber(servicePorts);
  const ports: { servicePort: number; targetPort: number }[] = [];
  for (const { name, port, protocol } of slice.ports ?? []) {
    if (name === undefined || port === undefined || protocol !== 'TCP') continue;
    const match = servicePorts.find((p) => (named.get(p.port)?.name ?? '') === name);
    if (match !== undefined) ports.push({ servicePort: match.port, targetPort: port });
  }
  return ports;
}
