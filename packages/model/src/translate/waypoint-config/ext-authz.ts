// External authorizers of the mesh -> providers of the ProxyConfig, and the destinations behind them (spec waypoint 4.4). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import type { ProviderSchema, StringMatchSchema } from '@ambit/proto/waypoint';
import type { ExtAuthzOptions } from '../../ext-authz-options.ts';
import type { View } from '../../index/view.ts';
import type { ServiceDefinition } from '../service/definition.ts';
import { winnersOf } from '../service/winners.ts';
import { backendOf } from './backend.ts';
import type { ConfigResource, Need } from './config-resource.ts';
import { durationOf } from './duration.ts';
import { backendKey, frontendKey } from './keys.ts';

/** Providers whose service exists; policies that name another one deny. */
export function extAuthzProviders(view: View): MessageInitShape<typeof ProviderSchema>[] {
  return view.options.extAuthz.flatMap((options) => {
    const service = serviceOf(view, options);
    return service === undefined ? [] : [providerOf(options, backendKey(service, options.port))];
  });
}

/** What a waypoint must see in order to ask the providers. */
export function extAuthzDestinations(
  view: View,
  waypoint: string,
): { readonly resources: readonly ConfigResource[]; readonly needs: readonly Need[] } {
  const resources = new Map<string, ConfigResource>();
  const needs: Need[] = [];
  for (const options of view.options.extAuthz) {
    const service = serviceOf(view, options);
    const backend = service && backendOf(view, service, options.port);
    if (service === undefined || backend === undefined || resources.has(backend.name)) continue;
    resources.set(backend.name, backend);
    needs.push([waypoint, backend.typeUrl, backend.name], [waypoint, ADDRESS_TYPE_URL, frontendKey(service)]);
  }
  return { resources: [...resources.values()], needs };
}

/** Without a namespace only a hostname of one namespace can be meant. */
function serviceOf(view: View, { hostname, namespace }: ExtAuthzOptions): ServiceDefinition | undefined {
  const { byNamespace } = winnersOf(view, hostname);
  if (namespace !== '') return byNamespace.get(namespace);
  return byNamespace.size === 1 ? [...byNamespace.values()][0] : undefined;
}

function providerOf(options: ExtAuthzOptions, backend: string): MessageInitShape<typeof ProviderSchema> {
  return {
    name: options.name,
    body: {
      case: 'extAuthz',
      value: {
        grpc: options.isGrpc,
        backend,
        timeout: durationOf(options.timeoutMs),
        failOpen: options.failOpen,
        statusOnError: options.statusOnError,
        pathPrefix: options.pathPrefix,
        checkHeaders: options.checkHeaders.map(headerMatch),
        extra: { set: { ...options.extraHeaders } },
        bodyMax: options.maxBodyBytes,
        partial: options.allowPartialBody,
        packBytes: options.packBodyAsBytes,
        upstreamHeaders: options.headersToUpstream.map(headerMatch),
        denyHeaders: options.headersToClientOnDeny.map(headerMatch),
        allowHeaders: options.headersToClientOnAllow.map(headerMatch),
        clearRoute: options.clearRoute,
      },
    },
  };
}

/** Names of headers: `*x` is a suffix, `x*` a prefix. */
function headerMatch(text: string): MessageInitShape<typeof StringMatchSchema> {
  if (text.startsWith('*')) return { m: { case: 'suffix', value: text.slice(1) }, ignoreCase: true };
  if (text.endsWith('*')) return { m: { case: 'prefix', value: text.slice(0, -1) }, ignoreCase: true };
  return { m: { case: 'exact', value: text }, ignoreCase: true };
}
