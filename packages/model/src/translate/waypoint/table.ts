// A Gateway as a waypoint (spec control-plane 2.11.1). In: the key of a Gateway. Out: what binding needs, or undefined when it
// has no status address yet. Called by translate/waypoint/binding.ts and translate/authorization/target-status.ts.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GatewayAddressSchema } from '@ambit/proto/workload';
import type { Gateway, GatewayClass, Listener } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipBytes, isDecimal } from '../../ip.ts';
import { INBOUND_BINDING, selects, WAYPOINT_FOR } from '../../labels.ts';

/** Port of HBONE; the same at every waypoint. */
const HBONE_PORT = 15008;

/** How a sandwiched waypoint is reached inside its pod; `protocol` is istio.workload.ApplicationTunnel.Protocol. */
export interface InboundBinding {
  readonly protocol: 0 | 1;
  /** 0 when none was given. */
  readonly port: number;
}

/** A Gateway that has an address. */
export interface Waypoint {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly address: MessageInitShape<typeof GatewayAddressSchema> | undefined;
  /** `service`, `workload`, `all`; any other text takes nothing. */
  readonly trafficType: string;
  readonly inboundBinding: InboundBinding | undefined;
  readonly gateway: Gateway;
}

/** The waypoint of that key, if the Gateway exists and has a status address. */
export function waypointOf(view: View, key: string): Waypoint | undefined {
  const gateway = view.get('Gateway', key);
  if (gateway === undefined || (gateway.status?.addresses ?? []).length === 0) return undefined;
  const { namespace, name } = identityOf(gateway);
  const gatewayClass = view.get('GatewayClass', `/${gateway.spec?.gatewayClassName ?? ''}`);
  return {
    key,
    namespace,
    name,
    address: addressOf(view, gateway),
    trafficType: trafficTypeOf(gateway, gatewayClass),
    inboundBinding: inboundBindingOf(
      gateway.metadata.annotations?.[INBOUND_BINDING] ?? gatewayClass?.metadata.annotations?.[INBOUND_BINDING],
    ),
    gateway,
  };
}

/** What kinds of addresses a Gateway takes: its own label, else its class's, else `service`. */
export function trafficTypeOf(gateway: Gateway, gatewayClass: GatewayClass | undefined): string {
  return gateway.metadata.labels?.[WAYPOINT_FOR] ?? gatewayClass?.metadata.labels?.[WAYPOINT_FOR] ?? 'service';
}

function addressOf(view: View, gateway: Gateway): Waypoint['address'] {
  const addresses = gateway.status?.addresses ?? [];
  const hostname = addresses.find((a) => a.type === 'Hostname' && a.value !== undefined)?.value;
  if (hostname !== undefined) {
    const value = { namespace: gateway.metadata.namespace ?? '', hostname };
    return { destination: { case: 'hostname', value }, hboneMtlsPort: HBONE_PORT };
  }
  for (const { type, value } of addresses) {
    const bytes = type === 'IPAddress' ? ipBytes(value) : undefined;
    if (bytes !== undefined) {
      return {
        destination: { case: 'address', value: { network: view.network(), address: bytes } },
        hboneMtlsPort: HBONE_PORT,
      };
    }
  }
  return undefined;
}

function inboundBindingOf(text: string | undefined): InboundBinding | undefined {
  if (text === undefined) return undefined;
  const [protocol, port, ...rest] = text.split('/');
  if (rest.length > 0 || (protocol !== 'PROXY' && protocol !== 'NONE')) return undefined;
  // A number out of range becomes the largest, text that is no number becomes 0: the bytes are upstream's.
  const number = port !== undefined && isDecimal(port, 64) ? Math.min(Number(port), 0xffff_ffff) : 0;
  return { protocol: protocol === 'PROXY' ? 1 : 0, port: number };
}

/** True when objects of `namespace` may use the waypoint: the listener's `allowedRoutes`, by default its own namespace only. */
export function admits(view: View, waypoint: Waypoint, namespace: string): boolean {
  const allowed = boundListener(waypoint)?.allowedRoutes?.namespaces;
  if (allowed?.from === 'All') return true;
  if (allowed?.from === 'Selector') {
    return allowed.selector !== undefined && selects(allowed.selector, view.namespaceLabels(namespace));
  }
  return namespace === waypoint.namespace;
}

function boundListener({ gateway, inboundBinding }: Waypoint): Listener | undefined {
  const listeners = gateway.spec?.listeners ?? [];
  const isBound = (listener: Listener): boolean =>
    inboundBinding !== undefined &&
    (inboundBinding.port !== 0
      ? listener.port === inboundBinding.port
      : inboundBinding.protocol === 1 && listener.protocol === 'istio.io/PROXY');
  return listeners.find(isBound) ?? listeners.find((l) => l.protocol === 'HBONE' && l.port === HBONE_PORT);
}
