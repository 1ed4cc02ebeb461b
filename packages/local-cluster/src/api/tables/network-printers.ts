/** Tables of services, endpoints and ingresses. In: objects; out: cells (spec/local-cluster.md 7.1). Called through columns.ts. Pure. */

import { isObject, listAt, textAt, valueAt, shown } from '../json.ts';
import { age, ageColumn, column, labelsText, nameColumn, nameOf, noneIfEmpty, printer } from './printer.ts';
import type { Printer } from './printer.ts';

function portsText(service: unknown): string {
  const ports = listAt(service, 'spec', 'ports').filter(isObject);
  if (ports.length === 0) return '<none>';
  return ports
    .map(
      (port) =>
        `${String(port['port'])}${port['nodePort'] === undefined ? '' : `:${shown(port['nodePort'])}`}/${shown(port['protocol'] ?? 'TCP')}`,
    )
    .join(',');
}

function externalText(service: unknown): string {
  const external = listAt(service, 'spec', 'externalIPs');
  const type = textAt(service, 'spec', 'type');
  if (type === 'ExternalName') return noneIfEmpty(textAt(service, 'spec', 'externalName'));
  const balancer = listAt(service, 'status', 'loadBalancer', 'ingress').map(
    (item) => textAt(item, 'ip') || textAt(item, 'hostname'),
  );
  const all = [...balancer, ...external];
  if (all.length > 0) return all.join(',');
  return type === 'LoadBalancer' ? '<pending>' : '<none>';
}

function endpointsText(slice: unknown): string {
  const all = listAt(slice, 'endpoints').flatMap((item) => listAt(item, 'addresses'));
  if (all.length === 0) return '<unset>';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

function slicePorts(slice: unknown): string {
  const ports = listAt(slice, 'ports').map((port) => shown(valueAt(port, ['port']) ?? '*'));
  return ports.length === 0 ? '<unset>' : ports.join(',');
}

/** Printers by storage name. */
export const networkPrinters: Readonly<Record<string, Printer>> = {
  services: printer(
    [
      nameColumn,
      column('Type'),
      column('Cluster-IP'),
      column('External-IP'),
      column('Port(s)'),
      ageColumn,
      column('Selector', 'string', 1),
    ],
    (object, now) => [
      nameOf(object),
      textAt(object, 'spec', 'type'),
      noneIfEmpty(textAt(object, 'spec', 'clusterIP')),
      externalText(object),
      portsText(object),
      age(object, now),
      labelsText(valueAt(object, ['spec', 'selector'])),
    ],
  ),
  endpoints: printer([nameColumn, column('Endpoints'), ageColumn], (object, now) => {
    const all = listAt(object, 'subsets').flatMap((subset) =>
      listAt(subset, 'addresses').flatMap((address) =>
        listAt(subset, 'ports').map((port) => `${textAt(address, 'ip')}:${String(valueAt(port, ['port']))}`),
      ),
    );
    const text =
      all.length === 0
        ? '<none>'
        : all.length > 3
          ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...`
          : all.join(',');
    return [nameOf(object), text, age(object, now)];
  }),
  'endpointslices.discovery.k8s.io': printer(
    [nameColumn, column('AddressType'), column('Ports'), column('Endpoints'), ageColumn],
    (object, now) => [
      nameOf(object),
      textAt(object, 'addressType'),
      slicePorts(object),
      endpointsText(object),
      age(object, now),
    ],
  ),
  'ingresses.networking.k8s.io': printer(
    [nameColumn, column('Class'), column('Hosts'), column('Address'), column('Ports'), ageColumn],
    (object, now) => [
      nameOf(object),
      noneIfEmpty(textAt(object, 'spec', 'ingressClassName')),
      listAt(object, 'spec', 'rules')
        .map((rule) => textAt(rule, 'host') || '*')
        .join(',') || '*',
      listAt(object, 'status', 'loadBalancer', 'ingress')
        .map((item) => textAt(item, 'ip') || textAt(item, 'hostname'))
        .join(','),
      listAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80',
      age(object, now),
    ],
  ),
};
