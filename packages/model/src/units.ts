// The units of the incremental translation: what each is called, which object makes it, and how it is computed.
// Called by model.ts. Adding a resource type means adding a line to each of the three functions here.
import type { KubernetesObject, Service, ServiceEntry } from '@ambit/resources';
import type { ObjectConditions } from './conditions.ts';
import type { ModelKind, ObjectKey } from './index/objects.ts';
import type { View } from './index/view.ts';
import type { Labels } from './labels.ts';
import type { ModelOptions } from './options.ts';
import {
  type AddressResource,
  authorizationResource,
  type Resource,
  serviceResource,
  workloadResource,
} from './resource.ts';
import { convertedPolicy, staticStrictPolicy } from './translate/authorization/peer-authentication.ts';
import { hasTarget, nodeProxyPolicy } from './translate/authorization/policy.ts';
import { waypointAccepted } from './translate/authorization/target-status.ts';
import { allowWaypointPolicy } from './translate/authorization/waypoint-allow.ts';
import { hostnameOf } from './translate/service/definition.ts';
import { servicesOf } from './translate/service/services.ts';
import {
  conditionsOfService,
  conditionsOfServiceEntry,
  conditionsOfWorkloadEntry,
} from './translate/service/status.ts';
import type { StatusResult } from './translate/status-result.ts';
import { gatewayStatus } from './translate/gateway-status.ts';
import { listenerSetStatus } from './translate/listener-set-status.ts';
import { routeStatus } from './translate/route-status.ts';
import type { ConfigResource, Need } from './translate/waypoint-config/config-resource.ts';
import { rateLimitsOf } from './translate/waypoint-config/envoy-filter/rate-limits.ts';
import { frontendOf } from './translate/waypoint-config/frontend.ts';
import { gatewayResources, proxyConfig } from './translate/waypoint-config/gateway.ts';
import { jwtResources } from './translate/waypoint-config/jwt.ts';
import { isForProxies } from './translate/waypoint-config/attached-policies.ts';
import { policyResource } from './translate/waypoint-config/policy.ts';
import { telemetryResource } from './translate/waypoint-config/telemetry.ts';
import { workloadsOfSlice } from './translate/workload/endpoint-slice.ts';
import { gatewayWorkloads, remoteGatewayWorkloads } from './translate/workload/network-gateway.ts';
import { workloadOfPod } from './translate/workload/pod.ts';
import { workloadsOfServiceEntry } from './translate/workload/service-entry.ts';
import { isRemote } from './translate/workload/split-horizon.ts';
import { labelsOfWorkloadEntry, workloadOfWorkloadEntry } from './translate/workload/workload-entry.ts';
import type { WorkloadInit } from './wire.ts';

/** Everything that one unit publishes. */
export interface UnitOutput {
  /** Labels by which policies and services select this unit; undefined when it is not selected by labels. */
  readonly labels?: Labels;
  readonly addresses: readonly AddressResource[];
  readonly authorizations: readonly Resource[];
  readonly conditions: readonly ObjectConditions[];
  readonly statuses: readonly StatusResult[];
  /** Waypoint resources, and which waypoints may see which. */
  readonly config: readonly ConfigResource[];
  readonly needs: readonly Need[];
}

/** Units that an object makes; both the old and the new object count. */
export function unitsOf(
  options: ModelOptions,
  kind: ModelKind,
  key: ObjectKey,
  before: KubernetesObject | undefined,
  after: KubernetesObject | undefined,
): string[] {
  switch (kind) {
    case 'Service': {
      const slash = key.indexOf('/');
      const host = hostnameOf(key.slice(0, slash), key.slice(slash + 1), options.domain);
      return [`host ${host}`, `Service ${key}`];
    }
    case 'ServiceEntry': {
      const hosts = [before, after].flatMap((o) => (o as ServiceEntry | undefined)?.spec?.hosts ?? []);
      return [...new Set(hosts)].map((h) => `host ${h}`).concat(`ServiceEntry ${key}`);
    }
    case 'Pod':
    case 'WorkloadEntry':
    case 'EndpointSlice':
    case 'Gateway':
    case 'ListenerSet':
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TCPRoute':
    case 'TLSRoute':
    case 'AuthorizationPolicy':
    case 'PeerAuthentication':
    case 'RequestAuthentication':
    case 'EnvoyFilter':
    case 'Telemetry':
      return [`${kind} ${key}`];
    default:
      return [];
  }
}

/** Computes a unit; undefined when its object is gone. */
export function computeUnit(view: View, unit: string): UnitOutput | undefined {
  if (unit === 'static-strict') return ofPolicies([staticStrictPolicy(view)]);
  if (unit === 'remote-gateways') return { ...EMPTY, addresses: workloads(remoteGatewayWorkloads(view)) };
  if (unit === 'proxy-config') return { ...EMPTY, config: [proxyConfig(view)] };
  const space = unit.indexOf(' ');
  const key = unit.slice(space + 1);
  switch (unit.slice(0, space)) {
    case 'host':
      return ofHost(view, key);
    case 'remote':
      return ofRemoteWorkload(view, key);
    case 'Pod':
      return ofPod(view, key);
    case 'WorkloadEntry':
      return ofWorkloadEntry(view, key);
    case 'ServiceEntry':
      return ofServiceEntry(view, key);
    case 'Service':
      return ofService(view, key);
    case 'EndpointSlice': {
      const slice = view.get('EndpointSlice', key);
      return slice && { ...EMPTY, addresses: workloads(workloadsOfSlice(view, slice)) };
    }
    case 'Gateway':
      return ofGateway(view, key);
    case 'ListenerSet': {
      const set = view.get('ListenerSet', key);
      return set && { ...EMPTY, statuses: listenerSetStatus(view, set) };
    }
    case 'AuthorizationPolicy':
      return ofAuthorizationPolicy(view, key);
    case 'PeerAuthentication': {
      const policy = view.get('PeerAuthentication', key);
      return policy && ofPolicies([convertedPolicy(view, policy)]);
    }
    case 'RequestAuthentication': {
      const policy = view.get('RequestAuthentication', key);
      return policy && { ...EMPTY, config: hasTarget(policy) ? jwtResources(policy) : [] };
    }
    case 'EnvoyFilter': {
      const filter = view.get('EnvoyFilter', key);
      return filter && { ...EMPTY, config: hasTarget(filter) ? rateLimitsOf(view, filter).resources : [] };
    }
    case 'Telemetry': {
      const telemetry = view.get('Telemetry', key);
      return telemetry && { ...EMPTY, config: isForProxies(telemetry) ? [telemetryResource(telemetry)] : [] };
    }
    case 'HTTPRoute':
      return { ...EMPTY, statuses: routeStatus(view, 'HTTPRoute', key) };
    case 'GRPCRoute':
      return { ...EMPTY, statuses: routeStatus(view, 'GRPCRoute', key) };
    case 'TCPRoute':
      return { ...EMPTY, statuses: routeStatus(view, 'TCPRoute', key) };
    case 'TLSRoute':
      return { ...EMPTY, statuses: routeStatus(view, 'TLSRoute', key) };
    default:
      return undefined;
  }
}

const EMPTY: UnitOutput = { addresses: [], authorizations: [], conditions: [], statuses: [], config: [], needs: [] };

/** Encodes workloads; of several with one uid the later wins. */
function workloads(list: readonly WorkloadInit[]): AddressResource[] {
  return [...new Map(list.map((w) => [w.uid, w])).values()].map(workloadResource);
}

function ofPolicies(policies: readonly (ReturnType<typeof staticStrictPolicy> | undefined)[]): UnitOutput {
  return { ...EMPTY, authorizations: policies.filter((p) => p !== undefined).map(authorizationResource) };
}

function ofHost(view: View, hostname: string): UnitOutput | undefined {
  const services = servicesOf(view, hostname);
  if (services.length === 0 && view.definersOf(hostname).length === 0) return undefined;
  const frontends = services.map((service) => frontendOf(view, service));
  return {
    ...EMPTY,
    addresses: [...services.map((s) => serviceResource(s.message)), ...workloads(services.flatMap((s) => s.standIns))],
    config: frontends.flatMap((f) => f.resources),
    needs: frontends.flatMap((f) => f.needs),
  };
}

/** A workload of another cluster in our own network; those of other networks are reached through stand-ins. */
function ofRemoteWorkload(view: View, uid: string): UnitOutput | undefined {
  const workload = view.remoteWorkload(uid);
  if (workload === undefined) return undefined;
  return { ...EMPTY, addresses: isRemote(view, workload.network) ? [] : [workload.resource] };
}

function ofPod(view: View, key: string): UnitOutput | undefined {
  const pod = view.get('Pod', key);
  if (pod === undefined) return undefined;
  const workload = workloadOfPod(view, pod);
  return {
    ...EMPTY,
    labels: pod.metadata.labels ?? {},
    addresses: workload === undefined ? [] : [workloadResource(workload)],
  };
}

function ofWorkloadEntry(view: View, key: string): UnitOutput | undefined {
  const entry = view.get('WorkloadEntry', key);
  if (entry === undefined) return undefined;
  return {
    ...EMPTY,
    labels: labelsOfWorkloadEntry(entry),
    addresses: isRemote(view, entry.spec?.network) ? [] : [workloadResource(workloadOfWorkloadEntry(view, entry))],
    conditions: [
      conditionsFor('WorkloadEntry', key, 'istio-ambient-workloadentry', conditionsOfWorkloadEntry(view, entry)),
    ],
  };
}

function ofServiceEntry(view: View, key: string): UnitOutput | undefined {
  const entry = view.get('ServiceEntry', key);
  if (entry === undefined) return undefined;
  return {
    ...EMPTY,
    labels: entry.metadata.labels ?? {},
    addresses: workloads(workloadsOfServiceEntry(view, entry).filter((w) => !isRemote(view, w.network))),
    conditions: [conditionsFor('ServiceEntry', key, 'istio-ambient-service', conditionsOfServiceEntry(view, entry))],
  };
}

function ofService(view: View, key: string): UnitOutput | undefined {
  const service: Service | undefined = view.get('Service', key);
  if (service === undefined) return undefined;
  return {
    ...EMPTY,
    conditions: [conditionsFor('Service', key, 'istio-ambient-service', conditionsOfService(view, key))],
  };
}

function ofGateway(view: View, key: string): UnitOutput | undefined {
  const gateway = view.get('Gateway', key);
  if (gateway === undefined) return undefined;
  const policy = allowWaypointPolicy(view, key);
  const own = gatewayResources(view, gateway);
  return {
    ...EMPTY,
    addresses: workloads(gatewayWorkloads(view, gateway)),
    authorizations: policy === undefined ? [] : [authorizationResource(policy)],
    statuses: gatewayStatus(view, gateway),
    config: own.resources,
    needs: own.needs,
  };
}

function ofAuthorizationPolicy(view: View, key: string): UnitOutput | undefined {
  const policy = view.get('AuthorizationPolicy', key);
  if (policy === undefined) return undefined;
  const { message, condition } = nodeProxyPolicy(policy, view.options);
  const target = waypointAccepted(view, policy);
  const list = (c: typeof condition): readonly NonNullable<typeof condition>[] => (c === undefined ? [] : [c]);
  return {
    ...EMPTY,
    authorizations: message === undefined ? [] : [authorizationResource(message)],
    config: hasTarget(policy) ? [policyResource(policy, view.options)] : [],
    conditions: [
      conditionsFor('AuthorizationPolicy', key, 'istio-ambient-ztunnel-policy', list(condition)),
      conditionsFor('AuthorizationPolicy', key, 'istio-ambient-waypoint-policy', list(target)),
    ],
  };
}

function conditionsFor(
  kind: ObjectConditions['kind'],
  key: ObjectKey,
  manager: ObjectConditions['manager'],
  conditions: ObjectConditions['conditions'],
): ObjectConditions {
  const slash = key.indexOf('/');
  return { kind, namespace: key.slice(0, slash), name: key.slice(slash + 1), manager, conditions };
}
