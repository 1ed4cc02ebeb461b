// The plain record of one service. Made by translate/service.ts or the local state file; immutable, structured-cloneable.

import type { GatewayAddress, PortMap } from './workload.ts';

/** Attribute compared by locality-aware load balancing. */
export type RoutingScope = 'REGION' | 'ZONE' | 'SUBZONE' | 'NODE' | 'CLUSTER' | 'NETWORK';

/** How an endpoint is chosen (spec/node-proxy.md 5.4). */
export interface LoadBalancer {
  readonly mode: 'STANDARD' | 'STRICT' | 'FAILOVER' | 'PASSTHROUGH';
  readonly routingPreferences: readonly RoutingScope[];
  readonly healthPolicy: 'ONLY_HEALTHY' | 'ALLOW_ALL';
}

/** One service. Field meanings: spec/node-proxy.md 4.5. */
export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly vips: readonly { readonly network: string; readonly ip: string }[];
  readonly cidrVips: readonly { readonly network: string; readonly ip: string; readonly length: number }[];
  /** Service port to target port; 0 = named port, the endpoint knows. */
  readonly ports: PortMap;
  /** Extra accepted server identities; entries that are no identity were dropped. */
  readonly subjectAltNames: readonly string[];
  readonly waypoint: GatewayAddress | undefined;
  readonly weightedWaypoints: readonly { readonly destination: GatewayAddress; readonly weight: number }[];
  readonly loadBalancer: LoadBalancer | undefined;
  readonly ipFamilies: 'IPV4' | 'IPV6' | 'DUAL' | undefined;
  readonly canonical: boolean;
  readonly visibility: 'PUBLIC' | 'NAMESPACE';
}

/** The store key `namespace/hostname`. */
export function serviceKey(service: { readonly namespace: string; readonly hostname: string }): string {
  return `${service.namespace}/${service.hostname}`;
}
