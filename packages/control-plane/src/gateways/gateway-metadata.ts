// Names, labels, annotations and Service ports that a Gateway gives to the objects deployed for it (spec control-plane 6.3).
// In: the Gateway, its class, settings. Out: plain values. Pure; called by render.ts and deployer.ts.
import type { Gateway } from '@ambit/resources';
import { type ClassInfo, managedLabelOf } from './class-info.ts';
import type { RenderSettings } from './render.ts';

/** Labels or annotations. */
export type TextMap = Record<string, string>;

/** Label with the name of the Gateway that an object belongs to. */
export const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
/** Label with the network of a gateway or a whole cluster. */
export const NETWORK = 'topology.istio.io/network';
const DATAPLANE_MODE = 'istio.io/dataplane-mode';
const RESERVED_PREFIX = 'gateway.networking.k8s.io/';
/** Annotations that steer us and are not copied. */
const OWN_ANNOTATIONS = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'gateway.istio.io/name-override',
  'gateway.istio.io/service-account',
  'gateway.istio.io/controller-version',
]);

/** Names of the objects of a Gateway. */
export function namesOf({ metadata, spec }: Gateway, info: ClassInfo): { deployment: string; serviceAccount: string } {
  const { name = '', annotations = {} } = metadata;
  const usual = info.hasNameSuffix ? `${name}-${spec?.gatewayClassName ?? ''}` : name;
  return {
    deployment: annotations['gateway.istio.io/name-override'] ?? usual,
    serviceAccount: annotations['gateway.istio.io/service-account'] ?? usual,
  };
}

/** Labels that the Gateway wants on everything: its own, or those of `spec.infrastructure`. */
export function infrastructureLabels(gateway: Gateway, settings: RenderSettings): TextMap {
  const { infrastructure, gatewayClassName = '' } = gateway.spec ?? {};
  const own = gateway.metadata.labels ?? {};
  const labels: TextMap = given(infrastructure?.labels, own, settings.copiesMetadata);
  // The class is judged by its name, as upstream does: a class of another name counts as an ordinary gateway here.
  const isMeshGateway = gatewayClassName.includes('waypoint') || gatewayClassName.includes('east-west');
  if (isMeshGateway) {
    if (own[NETWORK] === undefined && settings.network !== '') labels[NETWORK] = settings.network;
  } else if (settings.waypoints && own[DATAPLANE_MODE] === undefined) labels[DATAPLANE_MODE] ??= 'none';
  return labels;
}

/** Annotations that the Gateway wants on everything. */
export function infrastructureAnnotations(gateway: Gateway, settings: RenderSettings): TextMap {
  const { infrastructure } = gateway.spec ?? {};
  const all = given(infrastructure?.annotations, gateway.metadata.annotations ?? {}, settings.copiesMetadata);
  return Object.fromEntries(Object.entries(all).filter(([key]) => !OWN_ANNOTATIONS.has(key)));
}

function given(wanted: Readonly<TextMap> | undefined, own: Readonly<TextMap>, copies: boolean): TextMap {
  if (wanted === undefined) return copies ? { ...own } : {};
  return Object.fromEntries(Object.entries(wanted).filter(([key]) => !key.startsWith(RESERVED_PREFIX)));
}

/** Labels that say whose object it is; nobody overrides them. */
export function identityLabels(gateway: Gateway, info: ClassInfo): TextMap {
  return {
    'gateway.istio.io/managed': managedLabelOf(info),
    'gateway.networking.k8s.io/gateway-class-name': gateway.spec?.gatewayClassName ?? '',
    [GATEWAY_NAME]: gateway.metadata.name ?? '',
  };
}

/** A port of the Service. */
export interface ServicePort {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'TCP';
  readonly appProtocol: string;
}

/** The part of a listener that makes a port. */
export interface ListenerPort {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
}

const LONGEST_PORT_NAME = 63;

/** The status port, then one for each distinct listener port. */
export function servicePorts(listeners: readonly ListenerPort[]): ServicePort[] {
  const ports: ServicePort[] = [{ name: 'status-port', port: 15021, protocol: 'TCP', appProtocol: 'tcp' }];
  const names = new Set(['status-port']);
  const taken = new Set<number>();
  for (const [index, { name, port, protocol }] of listeners.entries()) {
    if (taken.has(port)) continue;
    taken.add(port);
    const appProtocol = protocol.toLowerCase();
    const clean = name === '' ? `${appProtocol}-${index}` : name.replaceAll('.', '-');
    ports.push({ name: uniqueName(clean, port, names), port, protocol: 'TCP', appProtocol });
  }
  return ports;
}

/** A name of at most 63 characters that is not taken; the port tells equal ones apart. */
function uniqueName(name: string, port: number, taken: Set<string>): string {
  let unique = name.slice(0, LONGEST_PORT_NAME);
  for (let suffix = `-${port}`; taken.has(unique); suffix += 'x') {
    unique = `${name.slice(0, LONGEST_PORT_NAME - suffix.length)}${suffix}`;
  }
  taken.add(unique);
  return unique;
}
