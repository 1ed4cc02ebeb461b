// A waypoint's own resources: its HBONE listener with the policies that hold for everything behind it, and the settings of the
// proxy (spec waypoint 2.3 T1, T2; 4.1.1). Pure.
import { LISTENER_TYPE_URL, PROXY_CONFIG_TYPE_URL } from '@ambit/proto/type-urls';
import { Listener_Protocol, ListenerSchema, ProxyConfig_Role, ProxyConfigSchema } from '@ambit/proto/waypoint';
import type { Gateway } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { accessLogProvider, normalization } from './mesh-settings.ts';
import { type ConfigResource, configResource, type Need } from './config-resource.ts';
import { policiesOfGateway } from './attached-policies.ts';
import { extAuthzProviders } from './ext-authz.ts';
import { metaOf } from './meta.ts';
import { providerDestinations } from './provider-backends.ts';
import { fileLogProviders, otlpLogProviders, tracingProviders } from './telemetry.ts';

const HBONE_PORT = 15008;

/** Name of the one ProxyConfig. */
export const PROXY_CONFIG_NAME = 'self';

/** Settings of every waypoint of this cluster. */
export function proxyConfig(view: View): ConfigResource {
  const { clusterId, meshId, trustDomain, trustDomainAliases, multiNetwork, accessLog, pathNormalization } =
    view.options;
  return configResource(ProxyConfigSchema, PROXY_CONFIG_NAME, {
    role: ProxyConfig_Role.WAYPOINT,
    clusterId,
    network: view.network(),
    meshId,
    trustDomain,
    trustDomainAliases: [...trustDomainAliases],
    multiNetwork,
    http: { normalize: normalization(pathNormalization), proxy100Continue: true },
    providers: [
      ...(accessLog === undefined ? [] : [accessLogProvider(accessLog)]),
      ...fileLogProviders(view),
      ...otlpLogProviders(view),
      ...extAuthzProviders(view),
      ...tracingProviders(view),
    ],
  });
}

/** True when a Gateway is a waypoint that our own proxy serves. */
export function isOwnWaypoint(view: View, gateway: Gateway): boolean {
  const name = gateway.spec?.gatewayClassName ?? '';
  const controller = view.get('GatewayClass', `/${name}`)?.spec?.controllerName;
  return controller === undefined ? name === 'istio-waypoint' : controller === 'istio.io/mesh-controller';
}

/** The listener of a waypoint, and what the waypoint sees besides its services. */
export function gatewayResources(
  view: View,
  gateway: Gateway,
): { readonly resources: readonly ConfigResource[]; readonly needs: readonly Need[] } {
  if (!isOwnWaypoint(view, gateway)) return { resources: [], needs: [] };
  const { namespace, name, key } = identityOf(gateway);
  const section = (gateway.spec?.listeners ?? []).find((l) => l.protocol === 'HBONE')?.name ?? 'mesh';
  const policies = policiesOfGateway(view, gateway);
  const listener = configResource(ListenerSchema, `${namespace}/${name}/${section}/${HBONE_PORT}`, {
    meta: metaOf('Gateway', gateway),
    port: HBONE_PORT,
    protocol: Listener_Protocol.HBONE,
    policies: policies.refs,
  });
  const { extAuthz, telemetry } = view.options;
  const providers = providerDestinations(view, key, [...extAuthz, ...telemetry.tracing, ...telemetry.otlpLogs]);
  const needs: Need[] = [
    [key, PROXY_CONFIG_TYPE_URL, PROXY_CONFIG_NAME],
    [key, LISTENER_TYPE_URL, listener.name],
    ...policies.names.map(([typeUrl, policy]): Need => [key, typeUrl, policy]),
    ...providers.needs,
  ];
  return { resources: [listener, ...providers.resources], needs };
}
