// A waypoint's own resources: its HBONE listener with the policies that hold for everything behind it, and the settings of the
// proxy (spec waypoint 2.3 T1, T2; 4.1.1). Pure.
import { LISTENER_TYPE_URL, POLICY_TYPE_URL, PROXY_CONFIG_TYPE_URL } from '@ambit/proto/type-urls';
import { Listener_Protocol, ListenerSchema, ProxyConfig_Role, ProxyConfigSchema } from '@ambit/proto/waypoint';
import type { AuthorizationPolicy, Gateway } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { targetsOf } from '../authorization/target-status.ts';
import { type ConfigResource, configResource, type Need } from './config-resource.ts';
import { policyKey } from './keys.ts';
import { metaOf } from './meta.ts';

const HBONE_PORT = 15008;
const GATEWAY_API = 'gateway.networking.k8s.io';

/** Name of the one ProxyConfig. */
export const PROXY_CONFIG_NAME = 'self';

/** Settings of every waypoint of this cluster. */
export function proxyConfig(view: View): ConfigResource {
  const { clusterId, meshId, trustDomain, trustDomainAliases, multiNetwork } = view.options;
  return configResource(ProxyConfigSchema, PROXY_CONFIG_NAME, {
    role: ProxyConfig_Role.WAYPOINT,
    clusterId,
    network: view.network(),
    meshId,
    trustDomain,
    trustDomainAliases: [...trustDomainAliases],
    multiNetwork,
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
  const policies = policiesFor(view, gateway);
  const listener = configResource(ListenerSchema, `${namespace}/${name}/${section}/${HBONE_PORT}`, {
    meta: metaOf('Gateway', gateway),
    port: HBONE_PORT,
    protocol: Listener_Protocol.HBONE,
    policies: policies.map((policy) => ({ policy, failClosedIfMissing: true })),
  });
  const needs: Need[] = [
    [key, PROXY_CONFIG_TYPE_URL, PROXY_CONFIG_NAME],
    [key, LISTENER_TYPE_URL, listener.name],
    ...policies.map((policy): Need => [key, POLICY_TYPE_URL, policy]),
  ];
  return { resources: [listener], needs };
}

/** Policies of the class (root namespace) and of the Gateway itself (its namespace). */
function policiesFor(view: View, gateway: Gateway): string[] {
  const { namespace, name } = identityOf(gateway);
  const className = gateway.spec?.gatewayClassName ?? '';
  const targets = (policy: AuthorizationPolicy, kind: string, target: string): boolean =>
    targetsOf(policy).some((t) => t.group === GATEWAY_API && t.kind === kind && t.name === target);
  const ofClass = view
    .inNamespace('AuthorizationPolicy', view.options.rootNamespace)
    .filter((p) => targets(p, 'GatewayClass', className));
  const ofGateway = view.inNamespace('AuthorizationPolicy', namespace).filter((p) => targets(p, 'Gateway', name));
  return [...new Set([...ofClass, ...ofGateway].map((p) => policyKey(identityOf(p).namespace, identityOf(p).name)))];
}
