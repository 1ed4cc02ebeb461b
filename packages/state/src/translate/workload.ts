// istio.workload.Workload to our record, with ztunnel's defaults (spec/node-proxy.md 4.5). Called by address.ts; pure.

import type { Workload as WorkloadProto } from '@ambit/proto/workload';

import type { PortMap, Workload } from '../workload.ts';
import { Refusal, closedEnum, ipField, optionalGateway, portMap } from './fields.ts';

const protocols = ['TCP', 'HBONE'] as const;
const statuses = [true, false] as const;
const networkModes = [false, true] as const;
const tunnelProtocols = ['NONE', 'PROXY'] as const;
const workloadTypes = ['deployment', 'cronjob', 'pod', 'job'] as const;

/** Translates one workload; throws Refusal. */
export function translateWorkload(message: WorkloadProto): Workload {
  if (message.uid === '') throw new Refusal('uid: empty');
  return {
    uid: message.uid,
    name: message.name,
    namespace: message.namespace,
    ips: message.addresses.map((bytes) => ipField('addresses', bytes)),
    hostname: message.hostname,
    network: message.network,
    protocol: closedEnum('tunnel_protocol', protocols, message.tunnelProtocol),
    trustDomain: message.trustDomain || 'cluster.local',
    serviceAccount: message.serviceAccount || 'default',
    waypoint: optionalGateway('waypoint', message.waypoint),
    networkGateway: optionalGateway('network_gateway', message.networkGateway),
    node: message.node,
    canonicalName: message.canonicalName,
    canonicalRevision: message.canonicalRevision,
    workloadType: workloadTypes[message.workloadType] ?? 'deployment',
    workloadName: message.workloadName,
    nativeTunnel: message.nativeTunnel,
    applicationTunnel: applicationTunnel(message),
    services: memberships(message),
    authorizationPolicies: message.authorizationPolicies,
    healthy: closedEnum('status', statuses, message.status),
    clusterId: message.clusterId || 'Kubernetes',
    locality: {
      region: message.locality?.region ?? '',
      zone: message.locality?.zone ?? '',
      subzone: message.locality?.subzone ?? '',
    },
    hostNetwork: closedEnum('network_mode', networkModes, message.networkMode),
    capacity: message.capacity ?? 1,
  };
}

function applicationTunnel(message: WorkloadProto): Workload['applicationTunnel'] {
  const tunnel = message.applicationTunnel;
  if (tunnel === undefined) return undefined;
  const protocol = closedEnum('application_tunnel.protocol', tunnelProtocols, tunnel.protocol);
  const port = tunnel.port & 0xffff;
  return { protocol, port: port === 0 ? undefined : port };
}

function memberships(message: WorkloadProto): Readonly<Record<string, PortMap>> {
  const services: Record<string, PortMap> = {};
  for (const [key, list] of Object.entries(message.services)) {
    if (!key.includes('/')) throw new Refusal('services: a key is not namespace/hostname');
    services[key] = portMap(list.ports);
  }
  return services;
}
