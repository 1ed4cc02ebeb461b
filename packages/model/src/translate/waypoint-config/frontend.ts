// A service behind waypoints -> Frontend, RouteTables, Backends, and who needs them (spec waypoint 2.3, 3.2). Pure.
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { FrontendSchema, RouteTableSchema } from '@ambit/proto/waypoint';
import type { View } from '../../index/view.ts';
import type { PublishedService } from '../service/services.ts';
import { policiesOfService } from './attached-policies.ts';
import { backendOf } from './backend.ts';
import { type ConfigResource, configResource, type Need } from './config-resource.ts';
import { backendKey, frontendKey, routeTableKey } from './keys.ts';
import { routesOfPort } from './parents.ts';
import { routesOf } from './routes.ts';

/** Resources of one service and the waypoints that may see them. */
export interface FrontendResult {
  readonly resources: readonly ConfigResource[];
  readonly needs: readonly Need[];
}

/** Everything that the waypoints of a service need for it; nothing for a service without waypoint. */
export function frontendOf(view: View, published: PublishedService): FrontendResult {
  const service = published.definition;
  if (published.waypoints.length === 0) return { resources: [], needs: [] };
  const key = frontendKey(service);
  const resources = new Map<string, ConfigResource>();
  const add = (resource: ConfigResource | undefined): void => {
    if (resource !== undefined) resources.set(`${resource.typeUrl} ${resource.name}`, resource);
  };
  const addresses = new Set([key]);
  const ports = [];
  for (const { servicePort = 0, appProtocol = 0 } of service.message.ports ?? []) {
    add(backendOf(view, service, servicePort));
    const attached = routesOfPort(view, service, servicePort);
    const routeTable = attached.length === 0 ? '' : routeTableKey(key, servicePort);
    if (attached.length > 0) {
      const { routes, destinations } = routesOf(view, attached, service);
      const meta = { kind: service.kind, namespace: service.namespace, name: service.name };
      add(configResource(RouteTableSchema, routeTable, { meta, hosts: ['*'], routes, gatewaySemantics: true }));
      for (const destination of destinations) {
        add(backendOf(view, destination.service, destination.port));
        addresses.add(frontendKey(destination.service));
      }
    }
    ports.push({ port: servicePort, protocol: appProtocol, routeTable, backend: backendKey(service, servicePort) });
  }
  const policies = policiesOfService(view, service);
  add(
    configResource(FrontendSchema, key, {
      meta: { kind: service.kind, namespace: service.namespace, name: service.name },
      hostname: service.hostname,
      namespace: service.namespace,
      ports,
      policies: policies.refs,
      wildcardHost: service.hostname.startsWith('*'),
    }),
  );
  const names: [typeUrl: string, name: string][] = [
    ...[...resources.values()].map((r): [string, string] => [r.typeUrl, r.name]),
    ...policies.names.map(([typeUrl, name]): [string, string] => [typeUrl, name]),
    ...[...addresses].map((name): [string, string] => [ADDRESS_TYPE_URL, name]),
  ];
  const needs = published.waypoints.flatMap((waypoint) =>
    names.map(([typeUrl, name]): Need => [waypoint, typeUrl, name]),
  );
  return { resources: [...resources.values()], needs };
}
