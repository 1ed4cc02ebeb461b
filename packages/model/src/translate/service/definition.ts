// One service of one hostname, before duplicates are settled: from a Kubernetes Service or from a host of a ServiceEntry.
// In: the object. Out: what the wire needs, or undefined when it defines nothing (spec control-plane 2.9).
import type { Service, ServiceEntry } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import type { Labels } from '../../labels.ts';
import type { ServiceInit } from '../../wire.ts';
import { addressesOfHost, addressesOfService } from './addresses.ts';
import { loadBalancingOfService, loadBalancingOfServiceEntry } from './load-balancing.ts';
import { appProtocolOf, portProtocol, protocolOfText } from './protocol.ts';
import { visibilityOf } from './visibility.ts';

/** A service with what decides its binding and its precedence. */
export interface ServiceDefinition {
  readonly kind: 'Service' | 'ServiceEntry';
  readonly namespace: string;
  readonly name: string;
  readonly hostname: string;
  readonly createdAt: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly isPrivate: boolean;
  /** True for a global Service that only other clusters have. */
  readonly isRemote?: true;
  readonly message: ServiceInit;
}

/** Hostname of a Kubernetes Service. */
export function hostnameOf(namespace: string, name: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/** The definition that item `Service <key>` or `ServiceEntry <key>` gives to `hostname`. */
export function definitionOf(view: View, item: string, hostname: string): ServiceDefinition | undefined {
  const space = item.indexOf(' ');
  const key = item.slice(space + 1);
  if (item.slice(0, space) === 'Service') {
    const service = view.get('Service', key);
    return service && ofService(view, service);
  }
  const entry = view.get('ServiceEntry', key);
  return entry && ofServiceEntry(view, entry, hostname);
}

function ofService(view: View, service: Service): ServiceDefinition | undefined {
  const { namespace, name } = identityOf(service);
  const spec = service.spec ?? {};
  const addresses = spec.type === 'ExternalName' ? undefined : addressesOfService(service, view.network());
  if (addresses === undefined) return undefined;
  const annotations = service.metadata.annotations ?? {};
  const hostname = hostnameOf(namespace, name, view.options.domain);
  const loadBalancing = loadBalancingOfService(view, namespace, annotations, spec);
  return {
    kind: 'Service',
    namespace,
    name,
    hostname,
    createdAt: service.metadata.creationTimestamp ?? '',
    labels: service.metadata.labels ?? {},
    annotations,
    isPrivate: false,
    message: {
      name,
      namespace,
      hostname,
      addresses,
      ports: (spec.ports ?? []).map((port) => ({
        servicePort: port.port,
        targetPort: typeof port.targetPort === 'number' ? port.targetPort : 0,
        appProtocol: appProtocolOf(portProtocol(port)),
      })),
      ...(loadBalancing && { loadBalancing }),
      ipFamilies: ipFamiliesOf(spec.ipFamilies ?? []),
    },
  };
}

function ipFamiliesOf(families: readonly string[]): 0 | 1 | 2 | 3 {
  if (families.length === 2) return 3;
  if (families.length !== 1) return 0;
  return families[0] === 'IPv4' ? 1 : 2;
}

function ofServiceEntry(view: View, entry: ServiceEntry, hostname: string): ServiceDefinition | undefined {
  const { namespace, name } = identityOf(entry);
  const spec = entry.spec ?? {};
  const visibility = visibilityOf(view, namespace);
  if (visibility === 'NONE' || !hasReadableAddresses(view, entry)) return undefined;
  const addresses = addressesOfHost(view, entry, hostname);
  if (addresses === undefined) return undefined;
  const annotations = entry.metadata.annotations ?? {};
  const loadBalancing = loadBalancingOfServiceEntry(view, namespace, annotations, spec.resolution ?? 'NONE');
  return {
    kind: 'ServiceEntry',
    namespace,
    name,
    hostname,
    createdAt: entry.metadata.creationTimestamp ?? '',
    labels: entry.metadata.labels ?? {},
    annotations,
    isPrivate: visibility === 'NAMESPACE',
    message: {
      name,
      namespace,
      hostname,
      addresses,
      ports: (spec.ports ?? []).map((port) => ({
        servicePort: port.number,
        targetPort: port.targetPort ?? port.number,
        appProtocol: appProtocolOf(protocolOfText(port.protocol ?? '')),
      })),
      subjectAltNames: [...(spec.subjectAltNames ?? [])],
      ...(loadBalancing && { loadBalancing }),
      ...(visibility === 'NAMESPACE' && { visibility: 1 }),
    },
  };
}

/** One address that cannot be read drops all hosts of the entry. */
function hasReadableAddresses(view: View, entry: ServiceEntry): boolean {
  return (entry.spec?.hosts ?? []).every((host) => addressesOfHost(view, entry, host) !== undefined);
}
