// istio.workload.Service to our record (spec/node-proxy.md 4.5). Called by address.ts; pure.

import { parseSpiffeId } from '@ambit/identity/spiffe';
import type { LoadBalancing, NetworkAddress, Service as ServiceProto } from '@ambit/proto/workload';

import { fullLength } from '../ip.ts';
import type { LoadBalancer, RoutingScope, Service } from '../service.ts';
import { Refusal, closedEnum, gatewayAddress, ipField, optionalGateway, portMap } from './fields.ts';

const modes = ['STANDARD', 'STRICT', 'FAILOVER', 'PASSTHROUGH'] as const;
const healthPolicies = ['ONLY_HEALTHY', 'ALLOW_ALL'] as const;
const scopes: readonly (RoutingScope | undefined)[] = [
  undefined,
  'REGION',
  'ZONE',
  'SUBZONE',
  'NODE',
  'CLUSTER',
  'NETWORK',
];
// AUTOMATIC is `null` here: `undefined` would mean an unknown number.
const ipFamilies = [null, 'IPV4', 'IPV6', 'DUAL'] as const;

/** Translates one service; throws Refusal. Names that are no identity are dropped with a text in `warnings`. */
export function translateService(message: ServiceProto, warnings: string[]): Service {
  if (message.hostname === '') throw new Refusal('hostname: empty');
  const addresses = message.addresses.map((address) => readAddress(address));
  return {
    name: message.name,
    namespace: message.namespace,
    hostname: message.hostname,
    vips: addresses.filter(({ ip, length }) => length === fullLength(ip)).map(({ network, ip }) => ({ network, ip })),
    cidrVips: addresses.filter(({ ip, length }) => length !== fullLength(ip)),
    ports: portMap(message.ports),
    subjectAltNames: message.subjectAltNames.filter((name) => isIdentity(name, warnings)),
    waypoint: optionalGateway('waypoint', message.waypoint),
    weightedWaypoints: message.weightedWaypoints.map((weighted) => {
      if (weighted.destination === undefined) throw new Refusal('weighted_waypoints: no destination');
      return { destination: gatewayAddress('weighted_waypoints', weighted.destination), weight: weighted.weight };
    }),
    loadBalancer: message.loadBalancing === undefined ? undefined : loadBalancer(message.loadBalancing),
    ipFamilies: closedEnum('ip_families', ipFamilies, message.ipFamilies) ?? undefined,
    canonical: message.canonical,
    visibility: message.visibility === 1 ? 'NAMESPACE' : 'PUBLIC',
  };
}

function readAddress(address: NetworkAddress): { network: string; ip: string; length: number } {
  const ip = ipField('addresses', address.address);
  const length = address.length ?? fullLength(ip);
  if (length > fullLength(ip)) throw new Refusal(`addresses: a prefix length of ${length} is over ${fullLength(ip)}`);
  return { network: address.network, ip, length };
}

function loadBalancer(message: LoadBalancing): LoadBalancer {
  return {
    mode: closedEnum('load_balancing.mode', modes, message.mode),
    routingPreferences: message.routingPreference.map((scope) =>
      closedEnum('load_balancing.routing_preference', scopes, scope),
    ),
    healthPolicy: closedEnum('load_balancing.health_policy', healthPolicies, message.healthPolicy),
  };
}

function isIdentity(name: string, warnings: string[]): boolean {
  if (parseSpiffeId(name) !== undefined) return true;
  warnings.push(`subject_alt_names: "${name.slice(0, 128)}" is no identity and is ignored`);
  return false;
}
