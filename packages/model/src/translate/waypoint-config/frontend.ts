// A service behind waypoints -> Frontend, RouteTables, Backends, and who needs them (spec waypoint 2.3, 3.2). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { FrontendSchema, type HttpRouteSchema, RouteTableSchema } from '@ambit/proto/waypoint';
import type { VirtualService } from '@ambit/resources';
import type { View } from '../../index/view.ts';
import { AppProtocol } from '../../wire.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import type { PublishedService } from '../service/services.ts';
import { policiesOfService } from './attached-policies.ts';
import { backendOf } from './backend.ts';
import { type ConfigResource, configResource, type Need } from './config-resource.ts';
import { backendKey, frontendKey, routeTableKey } from './keys.ts';
import { routesOfPort } from './parents.ts';
import { routesOf } from './routes.ts';
import { streamRoutesOf } from './stream-routes.ts';
import { httpRoutesOf, type SubsetDestination, virtualServicesOf } from './virtual-service.ts';

/** Resources of one service and the waypoints that may see them. */
export interface FrontendResult {
  readonly resources: readonly ConfigResource[];
  readonly needs: readonly Need[];
}

const STREAMS: ReadonlySet<number> = new Set([AppProtocol.TCP, AppProtocol.TLS]);
const REQUESTS: ReadonlySet<number> = new Set([AppProtocol.HTTP11, AppProtocol.HTTP2, AppProtocol.GRPC]);

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
  const objects = virtualServicesOf(view, service, waypointNamespace(published));
  const addDestinations = (destinations: readonly SubsetDestination[]): void => {
    for (const destination of destinations) {
      add(backendOf(view, destination.service, destination.port, destination.subset));
      addresses.add(frontendKey(destination.service));
    }
  };
  for (const { servicePort = 0, appProtocol = 0 } of service.message.ports ?? []) {
    add(backendOf(view, service, servicePort));
    const table = STREAMS.has(appProtocol) ? undefined : tableOf(view, service, objects, key, servicePort);
    const streams = REQUESTS.has(appProtocol) ? undefined : streamRoutesOf(view, service, objects, servicePort);
    add(table?.resource);
    addDestinations([...(table?.destinations ?? []), ...(streams?.destinations ?? [])]);
    ports.push({
      port: servicePort,
      protocol: appProtocol,
      routeTable: table?.resource.name ?? '',
      l4Routes: streams?.routes ?? [],
      backend: backendKey(service, servicePort),
    });
  }
  const policies = policiesOfService(view, service, waypointNamespace(published));
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

/** Of two waypoints the primary one decides which objects count. */
function waypointNamespace({ waypoints, definition }: PublishedService): string {
  const [key = `${definition.namespace}/`] = waypoints;
  return key.slice(0, key.indexOf('/'));
}

/** What a service port does without routes, as the last route of a table: everything goes to the service itself. */
function unroutedOf(service: ServiceDefinition, port: number): MessageInitShape<typeof HttpRouteSchema> {
  const targets = [{ backend: backendKey(service, port), weight: 1 }];
  return {
    name: 'default',
    origin: { kind: service.kind, namespace: service.namespace, name: service.name },
    action: { case: 'forward', value: { targets } },
  };
}

/** The routes of one port; undefined when nobody routes it: then all goes to the service itself. */
function tableOf(
  view: View,
  service: ServiceDefinition,
  objects: readonly VirtualService[],
  key: string,
  port: number,
): { readonly resource: ConfigResource; readonly destinations: readonly SubsetDestination[] } | undefined {
  const attached = routesOfPort(view, service, port);
  const withRules = objects.filter((object) => (object.spec?.http ?? []).length > 0);
  if (attached.length === 0 && withRules.length === 0) return undefined;
  const ours = routesOf(view, attached, service);
  const theirs = httpRoutesOf(view, withRules, port);
  // Where only consumers have routes, requests of everybody else stay as they are (GEP-1426).
  const isConsumersOnly =
    withRules.length === 0 && attached.every(({ route }) => route.object.metadata.namespace !== service.namespace);
  return {
    resource: configResource(RouteTableSchema, routeTableKey(key, port), {
      meta: { kind: service.kind, namespace: service.namespace, name: service.name },
      hosts: ['*'],
      // Upstream puts the routes of the Gateway API first and tells users not to mix.
      routes: [...ours.routes, ...theirs.routes, ...(isConsumersOnly ? [unroutedOf(service, port)] : [])],
      gatewaySemantics: withRules.length === 0,
    }),
    destinations: [...ours.destinations, ...theirs.destinations],
  };
}
