// Status of a Gateway (spec control-plane 6.5). In: the Gateway, its Service and its pods. Out: addresses, conditions, listeners. An
// ingress or east-west Gateway is told that nobody serves it. Classes that other controllers serve give nothing. Pure.
import type { Gateway, Service } from '@ambit/resources';
import type { ConditionResult } from '../conditions.ts';
import { identityOf, type View } from '../index/view.ts';
import { hostnameOf } from './service/definition.ts';
import { unservedRole } from './gateway-controller.ts';
import type { StatusResult } from './status-result.ts';
import { isOwnWaypoint } from './waypoint-config/gateway.ts';

const HBONE_PORT = 15008;

/** The status that a Gateway shall have; empty for Gateways that are not ours to report. */
export function gatewayStatus(view: View, gateway: Gateway): StatusResult[] {
  if (gateway.spec?.gatewayClassName === 'istio-remote') return [remoteStatus(gateway)];
  const role = unservedRole(view, gateway);
  if (role !== undefined) return [unservedStatus(gateway, role)];
  if (!isOwnWaypoint(view, gateway)) return [];
  const { namespace, name, key } = identityOf(gateway);
  const service = view.get('Service', key);
  const hostname = hostnameOf(namespace, name, view.options.domain);
  const reached = assign(view, gateway, service, hostname);
  const listeners = gateway.spec?.listeners ?? [];
  return [
    {
      kind: 'Gateway',
      key,
      // An address once reported stays: a waypoint scaled to zero fails closed instead of being bypassed.
      addresses: reached.problem === undefined ? addressesOf(service, hostname) : keptAddresses(gateway),
      conditions: [
        accepted(view, gateway),
        programmed(reached),
        condition('ResolvedRefs', 'True', 'ResolvedRefs', 'All references resolved'),
      ],
      listeners: listeners.map((l) => ({
        name: l.name,
        attachedRoutes: 0,
        supportedKinds: [],
        conditions: listenerConditions(l.port === HBONE_PORT && l.protocol === 'HBONE'),
      })),
    },
  ];
}

/** Whether what customises the Gateway can be used (spec control-plane 6.4); nothing is deployed otherwise. */
function accepted(view: View, { metadata, spec }: Gateway): ConditionResult {
  const ref = spec?.infrastructure?.parametersRef;
  const invalid = (message: string): ConditionResult => condition('Accepted', 'False', 'InvalidParameters', message);
  if (ref !== undefined) {
    const { group = '', kind, name } = ref;
    if (group !== '' || kind !== 'ConfigMap')
      return invalid(`Unsupported parametersRef group/kind ${group}/${kind}, only ConfigMap is supported`);
    const key = `${metadata.namespace ?? ''}/${name}`;
    if (view.hasParameters(key) === false) return invalid(`parametersRef ConfigMap ${key} does not exist`);
  }
  return condition('Accepted', 'True', 'Accepted', 'Resource accepted');
}

interface Reached {
  readonly servers: readonly string[];
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

function assign(view: View, gateway: Gateway, service: Service | undefined, hostname: string): Reached {
  const ports = [...new Set((gateway.spec?.listeners ?? []).map((l) => l.port))];
  if (service === undefined) {
    return { servers: [], problem: { reason: 'AddressNotUsable', message: `hostname "${hostname}" not found` } };
  }
  if (!hasInstance(view, gateway)) {
    const message = `no instances found for hostname "${hostname}"`;
    return { servers: [], problem: { reason: 'AddressNotAssigned', message } };
  }
  return { servers: ports.map((port) => `${hostname}:${port}`), problem: undefined };
}

function programmed({ servers, problem }: Reached): ConditionResult {
  if (problem === undefined) {
    const message = `Resource programmed, assigned to service(s) ${servers.join(' and ')}`;
    return condition('Programmed', 'True', 'Programmed', message);
  }
  return condition(
    'Programmed',
    'False',
    problem.reason,
    `Failed to assign to any requested addresses: ${problem.message}`,
  );
}

/** At least one ready pod serves the waypoint. */
function hasInstance(view: View, gateway: Gateway): boolean {
  const { key } = identityOf(gateway);
  const isReadyPod = view
    .podsOfGateway(key)
    .some((pod) => (pod.status?.conditions ?? []).some((c) => c.type === 'Ready' && c.status === 'True'));
  if (isReadyPod) return true;
  return view
    .slicesOfService(key)
    .some((slice) =>
      (slice.endpoints ?? []).some((e) => (e.conditions?.ready ?? true) && (e.addresses ?? []).length > 0),
    );
}

function addressesOf(service: Service | undefined, hostname: string): { type: string; value: string }[] {
  const external = (service?.status?.loadBalancer?.ingress ?? []).flatMap((entry) => [
    ...(entry.ip === undefined ? [] : [{ type: 'IPAddress', value: entry.ip }]),
    ...(entry.hostname === undefined ? [] : [{ type: 'Hostname', value: entry.hostname }]),
  ]);
  if (external.length > 0) return external;
  const given = service?.spec?.clusterIPs ?? [];
  const ips = (given.length > 0 ? given : [service?.spec?.clusterIP ?? '']).filter((ip) => ip !== '' && ip !== 'None');
  return [...ips.map((value) => ({ type: 'IPAddress', value })), { type: 'Hostname', value: hostname }];
}

function keptAddresses(gateway: Gateway): { type: string; value: string }[] {
  return (gateway.status?.addresses ?? []).map((a) => ({ type: a.type ?? 'IPAddress', value: a.value ?? '' }));
}

/** Addresses that an earlier control plane reported stay: pods of its time may still serve them. */
function unservedStatus(gateway: Gateway, role: string): StatusResult {
  const message =
    `${role} Gateways are not served by this control plane; nothing was deployed. ` +
    'why: its proxy takes no such role yet. try: a Gateway of class istio-waypoint, or the class of another controller.';
  return {
    kind: 'Gateway',
    key: identityOf(gateway).key,
    addresses: keptAddresses(gateway),
    conditions: [
      condition('Accepted', 'False', 'UnsupportedRole', message),
      condition('Programmed', 'False', 'Invalid', message),
    ],
    listeners: [],
  };
}

function remoteStatus(gateway: Gateway): StatusResult {
  const message = 'This Gateway is remote; Istio will not program it';
  return {
    kind: 'Gateway',
    key: identityOf(gateway).key,
    addresses: (gateway.spec?.addresses ?? []).map((a) => ({ type: a.type ?? 'IPAddress', value: a.value ?? '' })),
    conditions: [
      condition('Accepted', 'True', 'Accepted', message),
      condition('Programmed', 'True', 'Programmed', message),
    ],
    listeners: [],
  };
}

function listenerConditions(isExpected: boolean): ConditionResult[] {
  const fine = 'No errors found';
  const expected = 'Expected a single listener on port 15008 with protocol "HBONE"';
  return [
    isExpected
      ? condition('Accepted', 'True', 'Accepted', fine)
      : condition('Accepted', 'False', 'UnsupportedProtocol', expected),
    condition('Conflicted', 'False', 'NoConflicts', fine),
    condition('Programmed', 'True', 'Programmed', fine),
    condition('ResolvedRefs', 'True', 'ResolvedRefs', fine),
  ];
}

function condition(type: string, status: 'True' | 'False', reason: string, message: string): ConditionResult {
  return { type, status, reason, message };
}
