// VirtualServices of a service port -> HttpRoutes in evaluation order (spec waypoint 3.2, 3.7). In: the objects of the service's
// and its waypoint's namespace. Out: one route per match, and the destinations they lead to. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { HttpRouteSchema, TargetSchema } from '@ambit/proto/waypoint';
import type {
  VirtualService,
  VirtualServiceDestination,
  VirtualServiceHttpMatch,
  VirtualServiceHttpRule,
  VirtualServiceRouteDestination,
} from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { coversHost, fullHost, isExportedTo, serviceOfHost } from './hosts.ts';
import { backendKey } from './keys.ts';
import { metaOf } from './meta.ts';
import { headersOf, operationsOf, pathChangesOf } from './virtual-service-actions.ts';
import { matchOf } from './virtual-service-match.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type HttpRouteInit = Init<MessageInitShape<typeof HttpRouteSchema>>;
type TargetInit = Init<MessageInitShape<typeof TargetSchema>>;

/** A place that routes lead to; a subset only if one is named. */
export interface SubsetDestination {
  readonly service: ServiceDefinition;
  readonly port: number;
  readonly subset?: string;
}

/** VirtualServices that count at the waypoint of a service, oldest first. */
export function virtualServicesOf(view: View, service: ServiceDefinition, waypointNamespace: string): VirtualService[] {
  const { domain } = view.options;
  return [...new Set([waypointNamespace, service.namespace])]
    .flatMap((namespace) => view.inNamespace('VirtualService', namespace))
    .filter((object) => {
      const { namespace } = identityOf(object);
      const { hosts = [], gateways = [], exportTo } = object.spec ?? {};
      return (
        (gateways.length === 0 || gateways.includes('mesh')) &&
        isExportedTo(exportTo, namespace, waypointNamespace) &&
        hosts.some((host) => coversHost(fullHost(host, namespace, domain), service.hostname))
      );
    })
    .toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
}

const ageOf = (object: VirtualService): string =>
  `${object.metadata.creationTimestamp ?? ''}\0${identityOf(object).key}`;

/** Routes of one HTTP port. */
export function httpRoutesOf(
  view: View,
  objects: readonly VirtualService[],
  port: number,
): { readonly routes: HttpRouteInit[]; readonly destinations: readonly SubsetDestination[] } {
  const routes: HttpRouteInit[] = [];
  const destinations: SubsetDestination[] = [];
  for (const object of objects) {
    for (const { rule, owner } of rulesOf(view, object)) {
      for (const given of matchesOf(rule)) {
        const match = matchOf(given, port);
        if (match === undefined) continue;
        const { namespace } = identityOf(owner);
        routes.push({
          name: nameOf(rule, given),
          origin: metaOf('VirtualService', owner),
          matches: [match],
          ...pathChangesOf(rule, given),
          ...operationsOf(rule, (target) => keyOfDestination(view, target, namespace, port, destinations)),
          ...actionOf(rule, (target) => keyOfDestination(view, target, namespace, port, destinations)),
        });
      }
    }
  }
  return { routes, destinations };
}

const matchesOf = ({ match = [] }: VirtualServiceHttpRule): readonly VirtualServiceHttpMatch[] =>
  match.length === 0 ? [{}] : match;

const nameOf = ({ name = '' }: VirtualServiceHttpRule, { name: match = '' }: VirtualServiceHttpMatch): string =>
  match === '' ? name : name === '' ? match : `${name}.${match}`;

/** Rules with those of delegates in their places, one level deep. */
function rulesOf(
  view: View,
  object: VirtualService,
): { readonly rule: VirtualServiceHttpRule; readonly owner: VirtualService }[] {
  return (object.spec?.http ?? []).flatMap((rule) => {
    if (rule.delegate === undefined) return [{ rule, owner: object }];
    const { namespace } = identityOf(object);
    const { name = '', namespace: other = namespace } = rule.delegate;
    const owner = view.get('VirtualService', `${other}/${name}`);
    // An object with hosts stands for itself and is nobody's delegate.
    if (owner === undefined || (owner.spec?.hosts ?? []).length > 0) return [];
    if (!isExportedTo(owner.spec?.exportTo, other, namespace)) return [];
    return (owner.spec?.http ?? [])
      .map((own) => merged(rule, own))
      .filter((own) => own !== undefined)
      .map((own) => ({ rule: own, owner }));
  });
}

/** A delegate may only narrow what its parent matches; what else it says wins. */
function merged(parent: VirtualServiceHttpRule, own: VirtualServiceHttpRule): VirtualServiceHttpRule | undefined {
  if (own.delegate !== undefined) return undefined;
  const match = matchesOf(parent).flatMap((outer) => matchesOf(own).map((inner) => narrowed(outer, inner)));
  const usable = match.filter((m) => m !== undefined);
  if (usable.length === 0) return undefined;
  const { delegate: _delegate, match: _match, ...rest } = parent;
  return { ...rest, ...own, match: usable };
}

function narrowed(outer: VirtualServiceHttpMatch, inner: VirtualServiceHttpMatch): VirtualServiceHttpMatch | undefined {
  const [parent, own] = [outer.uri, inner.uri];
  if (parent !== undefined && own !== undefined) {
    const text = own.exact ?? own.prefix;
    const isInside =
      parent.prefix === undefined
        ? JSON.stringify(parent) === JSON.stringify(own)
        : text !== undefined && text.startsWith(parent.prefix);
    if (!isInside) return undefined;
  }
  return {
    ...outer,
    ...inner,
    headers: { ...inner.headers, ...outer.headers },
    withoutHeaders: { ...inner.withoutHeaders, ...outer.withoutHeaders },
    queryParams: { ...inner.queryParams, ...outer.queryParams },
  };
}

type KeyOf = (destination: VirtualServiceDestination) => string;

function actionOf(rule: VirtualServiceHttpRule, keyOf: KeyOf): Pick<HttpRouteInit, 'action'> {
  if (rule.redirect !== undefined) {
    const { uri, prefixRewrite, authority = '', port, derivePort, scheme = '', redirectCode } = rule.redirect;
    return {
      action: {
        case: 'redirect',
        value: {
          scheme,
          host: authority,
          port: port ?? 0,
          portFromRequest: derivePort === 'FROM_REQUEST_PORT',
          status: redirectCode ?? 301,
          ...(uri !== undefined && { path: { case: 'full', value: uri } }),
          ...(prefixRewrite !== undefined && { path: { case: 'prefix', value: prefixRewrite } }),
        },
      },
    };
  }
  if (rule.directResponse !== undefined) {
    const { status = 200, body } = rule.directResponse;
    const bytes = body?.bytes === undefined ? Buffer.from(body?.string ?? '') : Buffer.from(body.bytes, 'base64');
    return { action: { case: 'direct', value: { status, body: Uint8Array.from(bytes) } } };
  }
  const targets = targetsOf(rule.route ?? [], keyOf);
  return targets.length === 0
    ? { action: { case: 'direct', value: { status: 500 } } }
    : { action: { case: 'forward', value: { targets } } };
}

/** Weighted targets: a single one takes all, of several those without weight take nothing. */
export function targetsOf(list: readonly VirtualServiceRouteDestination[], keyOf: KeyOf): TargetInit[] {
  return list
    .filter(({ weight }) => list.length === 1 || (weight ?? 0) > 0)
    .map(({ destination, weight, headers }) => ({
      backend: destination === undefined ? '' : keyOf(destination),
      weight: list.length === 1 ? 1 : (weight ?? 0),
      invalid: destination === undefined,
      ...headersOf(headers),
    }));
}

/** Key of the Backend of a destination. A host nobody defines gives a key without Backend, which answers 503. */
export function keyOfDestination(
  view: View,
  { host, subset = '', port }: VirtualServiceDestination,
  namespace: string,
  frontendPort: number,
  found: SubsetDestination[],
): string {
  const hostname = fullHost(host, namespace, view.options.domain);
  const service = serviceOfHost(view, hostname, namespace);
  const ports = service?.message.ports ?? [];
  const number = port?.number ?? (ports.length === 1 ? (ports[0]?.servicePort ?? frontendPort) : frontendPort);
  if (service === undefined) return backendKey({ namespace, hostname }, number, subset);
  found.push({ service, port: number, subset });
  return backendKey(service, number, subset);
}
