// TCP and TLS rules of VirtualServices, TCPRoutes and TLSRoutes -> L4Routes of one port (spec waypoint 3.2, 3.7). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CidrSchema, L4RouteSchema, TargetSchema } from '@ambit/proto/waypoint';
import type { BackendRef, VirtualService, VirtualServiceStreamRule } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import { ipPrefix } from '../../ip.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { destinationOf } from './destination.ts';
import { fullHost } from './hosts.ts';
import { backendKey } from './keys.ts';
import { streamRoutesOfPort } from './parents.ts';
import { keyOfDestination, type SubsetDestination, targetsOf } from './virtual-service.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type L4Route = Init<MessageInitShape<typeof L4RouteSchema>>;
type Target = Init<MessageInitShape<typeof TargetSchema>>;

/** L4 routes in order: Gateway API first, TLS before TCP; the first that fits decides. */
export function streamRoutesOf(
  view: View,
  service: ServiceDefinition,
  objects: readonly VirtualService[],
  port: number,
): { readonly routes: L4Route[]; readonly destinations: readonly SubsetDestination[] } {
  const destinations: SubsetDestination[] = [];
  const routes: L4Route[] = [];
  for (const { route } of streamRoutesOfPort(view, service, port)) {
    const { namespace, name } = identityOf(route.object);
    const hostnames = route.kind === 'TLSRoute' ? (route.object.spec?.hostnames ?? []) : [];
    // Inside a waypoint the name of the service is the only one that a client can mean.
    if (hostnames.length > 0 && !hostnames.includes(service.hostname)) continue;
    for (const [index, rule] of (route.object.spec?.rules ?? []).entries()) {
      const targets = targetsOfRefs(view, rule.backendRefs ?? [], namespace, destinations);
      if (targets.length > 0) routes.push({ name: rule.name ?? `${namespace}.${name}.${index}`, targets });
    }
  }
  for (const part of ['tls', 'tcp'] as const) {
    for (const object of objects) {
      for (const rule of object.spec?.[part] ?? []) {
        routes.push(...ofRule(view, object, rule, part === 'tls', service, port, destinations));
      }
    }
  }
  return { routes, destinations };
}

function ofRule(
  view: View,
  object: VirtualService,
  rule: VirtualServiceStreamRule,
  isTls: boolean,
  service: ServiceDefinition,
  port: number,
  destinations: SubsetDestination[],
): L4Route[] {
  const { namespace, name } = identityOf(object);
  const matches = (rule.match ?? []).length === 0 ? [{}] : (rule.match ?? []);
  const fitting = matches.filter((match) => {
    if (match.port !== undefined && match.port !== 0 && match.port !== port) return false;
    if ((match.gateways ?? []).length > 0 && !match.gateways?.includes('mesh')) return false;
    if (Object.keys(match.sourceLabels ?? {}).length > 0) return false;
    const names = (match.sniHosts ?? []).map((host) => fullHost(host, namespace, view.options.domain));
    return !isTls || names.includes(service.hostname);
  });
  return fitting.map((match) => ({
    name: `${namespace}.${name}`,
    dst: (match.destinationSubnets ?? []).flatMap(cidr),
    sourceNamespaces: (match.sourceNamespace ?? '') === '' ? [] : [match.sourceNamespace ?? ''],
    targets: targetsOf(rule.route ?? [], (to) => keyOfDestination(view, to, namespace, port, destinations)),
  }));
}

function cidr(text: string): Init<MessageInitShape<typeof CidrSchema>>[] {
  const prefix = ipPrefix(text);
  return prefix === undefined ? [] : [{ address: prefix.bytes, length: prefix.length }];
}

function targetsOfRefs(
  view: View,
  refs: readonly BackendRef[],
  namespace: string,
  destinations: SubsetDestination[],
): Target[] {
  return refs.flatMap((ref): Target[] => {
    const weight = ref.weight ?? 1;
    if (weight === 0) return [];
    const destination = destinationOf(view, ref, namespace);
    if (destination.kind === 'invalid') return [{ weight, invalid: true }];
    destinations.push(destination);
    return [{ weight, backend: backendKey(destination.service, destination.port) }];
  });
}
