// Which routes are attached to a service, and which parents a route names. Pure.
import type { ParentRef } from '@ambit/resources';
import type { AnyRoute, StreamRoute, View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';

/** Key of the parent that a reference names: `<kind> <namespace>/<name>`; undefined for kinds that are not ours. */
export function parentKey(ref: ParentRef, routeNamespace: string): string | undefined {
  const kind = ref.kind ?? 'Gateway';
  const group = ref.group ?? 'gateway.networking.k8s.io';
  const key = `${ref.namespace ?? routeNamespace}/${ref.name}`;
  if (kind === 'Service' && (group === '' || group === 'core')) return `Service ${key}`;
  if (kind === 'ServiceEntry' && group === 'networking.istio.io') return `ServiceEntry ${key}`;
  if (kind === 'Gateway' && group === 'gateway.networking.k8s.io') return `Gateway ${key}`;
  return undefined;
}

/** A route at one port of a service. */
export interface AttachedRoute {
  readonly route: AnyRoute;
  /** Routes of one group are merged by precedence; groups follow each other in the order of their first routes. */
  readonly group: string;
}

/** Routes attached to one port of a service: those that name the port, then the others; each oldest first, then by name. */
export function routesOfPort(view: View, service: ServiceDefinition, port: number): AttachedRoute[] {
  const parent = `${service.kind} ${service.namespace}/${service.name}`;
  const attached: AttachedRoute[] = [];
  for (const route of view.routesOfParent(parent).toSorted(byAge)) {
    const { namespace = '' } = route.object.metadata;
    const ref = (route.object.spec?.parentRefs ?? []).find(
      (r) => parentKey(r, namespace) === parent && (r.port === undefined || r.port === port),
    );
    if (ref !== undefined) attached.push({ route, group: `${namespace}:${ref.port ?? ''}` });
  }
  // Who names the port means it more than who names the service only.
  return attached.toSorted((a, b) => Number(a.group.endsWith(':')) - Number(b.group.endsWith(':')));
}

/** A route of connections at one port of a service. */
export interface AttachedStreamRoute {
  readonly route: StreamRoute;
}

/** Routes of connections at one port: those that name the port first, then the others; each oldest first. */
export function streamRoutesOfPort(view: View, service: ServiceDefinition, port: number): AttachedStreamRoute[] {
  const parent = `${service.kind} ${service.namespace}/${service.name}`;
  const attached = view
    .streamRoutesOfParent(parent)
    .toSorted(byAge)
    .flatMap((route) => {
      const { namespace = '' } = route.object.metadata;
      const ref = (route.object.spec?.parentRefs ?? []).find(
        (r) => parentKey(r, namespace) === parent && (r.port === undefined || r.port === port),
      );
      return ref === undefined ? [] : [{ route, isNamed: ref.port !== undefined }];
    });
  return attached.toSorted((a, b) => Number(b.isNamed) - Number(a.isNamed));
}

function byAge(a: AnyRoute | StreamRoute, b: AnyRoute | StreamRoute): number {
  const key = ({ object: { metadata } }: AnyRoute | StreamRoute): string =>
    `${metadata.creationTimestamp ?? ''}\0${metadata.namespace ?? ''}\0${metadata.name ?? ''}`;
  return key(a) < key(b) ? -1 : 1;
}
