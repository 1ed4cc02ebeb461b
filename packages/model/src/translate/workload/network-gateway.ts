// Gateways into other networks (spec control-plane 2.12): `istio-remote` Gateways with a network label. In: all Gateways.
// Out: synthetic workloads, and the gateway of a network.
import type { Gateway } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { GATEWAY_SERVICE_ACCOUNT, NETWORK } from '../../labels.ts';
import { ipBytes } from '../../ip.ts';
import type { WorkloadInit } from '../../wire.ts';
import { trustDomainOnWire } from './trust-domain.ts';

/** Where gateways listen whose port is not told. */
const HBONE_PORT = 15008;

/** A way into a network. */
export interface NetworkGateway {
  readonly network: string;
  /** Name of the Gateway object. */
  readonly name: string;
  readonly address: string;
  /** 0 = not told, the usual one. */
  readonly port: number;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Cluster of the Gateway when it is another one. */
  readonly clusterId?: string;
}

/** Network gateways that one Gateway stands for. */
export function networkGatewaysOf(gateway: Gateway): NetworkGateway[] {
  const network = gateway.metadata.labels?.[NETWORK] ?? '';
  const port = (gateway.spec?.listeners ?? []).find((l) => l.protocol === 'HBONE')?.port;
  if (gateway.spec?.gatewayClassName !== 'istio-remote' || network === '' || port === undefined) return [];
  const { namespace, name } = identityOf(gateway);
  const serviceAccount = gateway.metadata.annotations?.[GATEWAY_SERVICE_ACCOUNT] ?? `${name}-istio-remote`;
  return (gateway.status?.addresses ?? [])
    .filter((a) => (a.type === 'IPAddress' || a.type === 'Hostname') && (a.value ?? '') !== '')
    .map((a) => ({ network, name, address: a.value ?? '', port, namespace, serviceAccount }));
}

/** Workloads that let proxies verify the gateway's identity. */
export function gatewayWorkloads(view: View, gateway: Gateway): WorkloadInit[] {
  return networkGatewaysOf(gateway).map((g) => gatewayWorkload(view, g));
}

/** The same for gateways of other clusters. */
export function remoteGatewayWorkloads(view: View): WorkloadInit[] {
  return view.remoteGateways().map((g) => gatewayWorkload(view, g));
}

function gatewayWorkload(view: View, g: NetworkGateway): WorkloadInit {
  const uid = `NetworkGateway/${g.network}/${g.address}/${g.port}`;
  const bytes = ipBytes(g.address);
  return {
    uid,
    name: uid,
    namespace: g.namespace,
    network: g.network,
    serviceAccount: g.serviceAccount,
    trustDomain: trustDomainOnWire(view),
    ...(bytes === undefined ? { hostname: g.address } : { addresses: [bytes] }),
  };
}

/** First gateway into a network whose port is known, as workloads of that network carry it. */
export function networkGatewayOf(view: View, network: string): WorkloadInit['networkGateway'] {
  const gateway = firstGatewayOf(view, network);
  return gateway === undefined || gateway.port === 0 ? undefined : destinationOfGateway(gateway);
}

/** First gateway into a network. */
export function firstGatewayOf(view: View, network: string): NetworkGateway | undefined {
  // Workloads of the unnamed network need no gateway, and asking costs a dependency on every Gateway.
  if (network === '') return undefined;
  for (const gateway of view.all('Gateway')) {
    const found = networkGatewaysOf(gateway).find((g) => g.network === network);
    if (found !== undefined) return found;
  }
  return view.remoteGateways().find((g) => g.network === network);
}

/** A gateway as the wire has it. */
export function destinationOfGateway({
  network,
  namespace,
  address,
  port,
}: NetworkGateway): NonNullable<WorkloadInit['networkGateway']> {
  const bytes = ipBytes(address);
  const destination =
    bytes === undefined
      ? ({ case: 'hostname', value: { namespace, hostname: address } } as const)
      : ({ case: 'address', value: { network, address: bytes } } as const);
  return { destination, hboneMtlsPort: port === 0 ? HBONE_PORT : port };
}
