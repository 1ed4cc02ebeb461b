// Records for tests of this package and of everything above it: sensible workloads, services and policies, changed where the
// test cares. No I/O.

import type { Policy } from '../policy.ts';
import { serviceKey } from '../service.ts';
import type { Service } from '../service.ts';
import { createStateStore } from '../store.ts';
import type { StateStore, StateUpdate } from '../store.ts';
import type { GatewayAddress, PortMap, Workload } from '../workload.ts';

/** A healthy HBONE pod `name` in namespace `default` on node `node-1`, without address and services. */
export function testWorkload(name: string, change: Partial<Workload> = {}): Workload {
  const namespace = change.namespace ?? 'default';
  return {
    uid: `Kubernetes//Pod/${namespace}/${name}`,
    name,
    namespace,
    ips: [],
    hostname: '',
    network: '',
    protocol: 'HBONE',
    trustDomain: 'cluster.local',
    serviceAccount: name,
    waypoint: undefined,
    networkGateway: undefined,
    node: 'node-1',
    canonicalName: name,
    canonicalRevision: 'latest',
    workloadType: 'deployment',
    workloadName: name,
    nativeTunnel: false,
    applicationTunnel: undefined,
    services: {},
    authorizationPolicies: [],
    healthy: true,
    clusterId: 'Kubernetes',
    locality: { region: '', zone: '', subzone: '' },
    hostNetwork: false,
    capacity: 1,
    ...change,
  };
}

/** A public service `name.default.svc.cluster.local` with port 80 to 8080, without address. */
export function testService(name: string, change: Partial<Service> = {}): Service {
  const namespace = change.namespace ?? 'default';
  return {
    name,
    namespace,
    hostname: `${name}.${namespace}.svc.cluster.local`,
    vips: [],
    cidrVips: [],
    ports: { 80: 8080 },
    subjectAltNames: [],
    waypoint: undefined,
    weightedWaypoints: [],
    loadBalancer: undefined,
    ipFamilies: undefined,
    canonical: false,
    visibility: 'PUBLIC',
    ...change,
  };
}

/** An enforced ALLOW policy of scope NAMESPACE in namespace `default`, without rules (it denies everything). */
export function testPolicy(name: string, change: Partial<Policy> = {}): Policy {
  return { name, namespace: 'default', scope: 'NAMESPACE', action: 'ALLOW', dryRun: false, rules: [], ...change };
}

/** The `services` field of a workload that belongs to the given services. */
export function memberOf(ports: PortMap, ...services: readonly Service[]): Workload['services'] {
  return Object.fromEntries(services.map((service) => [serviceKey(service), ports]));
}

/** A gateway reference by address in the default network. */
export function gatewayAt(ip: string, hboneMtlsPort = 15_008, network = ''): GatewayAddress {
  return { destination: { kind: 'address', network, ip }, hboneMtlsPort };
}

/** A gateway reference by service. */
export function gatewayOf(service: Service, hboneMtlsPort = 15_008): GatewayAddress {
  const { namespace, hostname } = service;
  return { destination: { kind: 'hostname', namespace, hostname }, hboneMtlsPort };
}

/** A store that holds the given records. */
export function testStore(update: StateUpdate): StateStore {
  const store = createStateStore();
  store.apply(update);
  return store;
}
