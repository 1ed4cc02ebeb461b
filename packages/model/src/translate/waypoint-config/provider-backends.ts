// Services that mesh-wide providers name -> Backends, and what a waypoint must see to reach them. Pure. Called by ext-authz.ts and
// tracing.ts through gateway.ts.
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import type { View } from '../../index/view.ts';
import type { ProviderService } from '../../telemetry-options.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { winnersOf } from '../service/winners.ts';
import { backendOf } from './backend.ts';
import type { ConfigResource, Need } from './config-resource.ts';
import { frontendKey } from './keys.ts';

/** Without a namespace only a hostname of one namespace can be meant. */
export function providerService(view: View, { hostname, namespace }: ProviderService): ServiceDefinition | undefined {
  const { byNamespace } = winnersOf(view, hostname);
  if (namespace !== '') return byNamespace.get(namespace);
  return byNamespace.size === 1 ? [...byNamespace.values()][0] : undefined;
}

/** What a waypoint must see in order to reach the providers. */
export function providerDestinations(
  view: View,
  waypoint: string,
  providers: readonly ProviderService[],
): { readonly resources: readonly ConfigResource[]; readonly needs: readonly Need[] } {
  const resources = new Map<string, ConfigResource>();
  const needs: Need[] = [];
  for (const options of providers) {
    const service = providerService(view, options);
    const backend = service && backendOf(view, service, options.port);
    if (service === undefined || backend === undefined || resources.has(backend.name)) continue;
    resources.set(backend.name, backend);
    needs.push([waypoint, backend.typeUrl, backend.name], [waypoint, ADDRESS_TYPE_URL, frontendKey(service)]);
  }
  return { resources: [...resources.values()], needs };
}
