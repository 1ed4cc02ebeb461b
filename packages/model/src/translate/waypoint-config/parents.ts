// Which routes are attached to a service, and which parents a route names. Pure.
import type { ParentRef } from '@ambit/resources';
import type { AnyRoute, View } from '../../index/view.ts';
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

/** Routes attached to one port of a service, oldest first, then by namespace and name. */
export function routesOfPort(view: View, service: ServiceDefinition, port: number): AnyRoute[] {
  const parent = `${service.kind} ${service.namespace}/${service.name}`;
  return view
    .routesOfParent(parent)
    .filter(({ object }) =>
      (object.spec?.parentRefs ?? []).some(
        (ref) =>
          parentKey(ref, object.metadata.namespace ?? '') === parent && (ref.port === undefined || ref.port === port),
      ),
    )
    .toSorted(byAge);
}

function byAge(a: AnyRoute, b: AnyRoute): number {
  const key = ({ object: { metadata } }: AnyRoute): string =>
    `${metadata.creationTimestamp ?? ''}\0${metadata.namespace ?? ''}\0${metadata.name ?? ''}`;
  return key(a) < key(b) ? -1 : 1;
}
