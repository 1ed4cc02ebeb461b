// External authorizers of the mesh -> providers of the ProxyConfig (spec waypoint 4.4). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ProviderSchema, StringMatchSchema } from '@ambit/proto/waypoint';
import type { ExtAuthzOptions } from '../../ext-authz-options.ts';
import type { View } from '../../index/view.ts';
import { durationOf } from './duration.ts';
import { backendKey } from './keys.ts';
import { providerService } from './provider-backends.ts';

/** Providers whose service exists; policies that name another one deny. */
export function extAuthzProviders(view: View): MessageInitShape<typeof ProviderSchema>[] {
  return view.options.extAuthz.flatMap((options) => {
    const service = providerService(view, options);
    return service === undefined ? [] : [providerOf(options, backendKey(service, options.port))];
  });
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
