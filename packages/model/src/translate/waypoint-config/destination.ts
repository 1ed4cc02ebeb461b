// A backend reference -> the service port it names, or why there is none (spec waypoint 3.4). Pure.
import type { BackendRef } from '@ambit/resources';
import type { View } from '../../index/view.ts';
import { definitionOf, hostnameOf, type ServiceDefinition } from '../service/definition.ts';
import { winnersOf } from '../service/winners.ts';

/** What a backend reference leads to. */
export type Destination =
  | { readonly kind: 'found'; readonly service: ServiceDefinition; readonly port: number }
  | { readonly kind: 'invalid'; readonly reason: string; readonly message: string };

type Ref = Pick<BackendRef, 'group' | 'kind' | 'namespace' | 'name' | 'port'>;

/** Resolves a reference of a route in `routeNamespace`. Grants are not asked: mesh routes do not need them. */
export function destinationOf(view: View, ref: Ref, routeNamespace: string): Destination {
  const group = ref.group ?? '';
  const kind = ref.kind ?? 'Service';
  const namespace = ref.namespace ?? routeNamespace;
  if (group === '' && kind === 'Service') {
    const hostname = hostnameOf(namespace, ref.name, view.options.domain);
    return onPort(ref, hostname, definitionOf(view, `Service ${namespace}/${ref.name}`, hostname));
  }
  if (group === 'networking.istio.io' && kind === 'Hostname') {
    const { byNamespace, canonical } = winnersOf(view, ref.name);
    return onPort(ref, ref.name, byNamespace.get(namespace) ?? byNamespace.get(canonical ?? ''));
  }
  const message = `referencing unsupported backendRef: group "${group}" kind "${kind}"`;
  return { kind: 'invalid', reason: 'InvalidKind', message };
}

function onPort(ref: Ref, hostname: string, service: ServiceDefinition | undefined): Destination {
  if (ref.port === undefined) {
    return { kind: 'invalid', reason: 'InvalidDestination', message: 'port is required in backendRef' };
  }
  if (service === undefined) {
    return { kind: 'invalid', reason: 'BackendNotFound', message: `backend(${hostname}) not found` };
  }
  const hasPort = (service.message.ports ?? []).some((p) => p.servicePort === ref.port);
  if (!hasPort) {
    return {
      kind: 'invalid',
      reason: 'BackendNotFound',
      message: `port ${ref.port} not found for hostname "${hostname}"`,
    };
  }
  return { kind: 'found', service, port: ref.port };
}
