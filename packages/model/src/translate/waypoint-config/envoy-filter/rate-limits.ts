// EnvoyFilters with rate limits -> the waypoint's Policies: the two shapes that people use (spec waypoint 4.5), a local token bucket
// and a global rate limit service, as a filter of the chain or as configuration of its routes. Everything else in an
// EnvoyFilter is for a foreign proxy and is not read. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL, POLICY_TYPE_URL } from '@ambit/proto/type-urls';
import { type DescriptorSchema, type LocalRateLimitSchema, PolicySchema } from '@ambit/proto/waypoint';
import type { EnvoyFilter, EnvoyFilterPatch } from '@ambit/resources';
import { identityOf, type View } from '../../../index/view.ts';
import { winnersOf } from '../../service/winners.ts';
import { backendOf } from '../backend.ts';
import { type ConfigResource, configResource } from '../config-resource.ts';
import { durationOf } from '../duration.ts';
import { frontendKey } from '../keys.ts';
import { metaOf } from '../meta.ts';
import {
  durationMsIn,
  field,
  type Json,
  mapIn,
  mapsIn,
  partsPerMillionIn,
  textIn,
  typedConfig,
  uintIn,
} from './foreign-fields.ts';
import { type RateActionInit, rateActionsOf } from './rate-actions.ts';

type Init<T> = Exclude<T, { $typeName: string }>;
type PolicyInit = Init<MessageInitShape<typeof PolicySchema>>;
type Body = NonNullable<PolicyInit['body']>;

/** The policies of an EnvoyFilter. */
export interface RateLimits {
  /** Policies, and the ports to which each is confined; none means all. */
  readonly policies: readonly { readonly key: string; readonly ports: readonly number[] }[];
  /** The policies and the destinations behind them. */
  readonly resources: readonly ConfigResource[];
  /** Type URL and name of everything that a waypoint must be able to read for them. */
  readonly names: readonly (readonly [typeUrl: string, name: string])[];
}

const LOCAL = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const GLOBAL = 'envoy.extensions.filters.http.ratelimit.v3.RateLimit';
const ROUTE_KINDS = new Set(['VIRTUAL_HOST', 'HTTP_ROUTE']);

/** The rate limits of an EnvoyFilter. A limit without a usable bucket becomes `invalid`, which denies (spec waypoint 4.2). */
export function rateLimitsOf(view: View, filter: EnvoyFilter): RateLimits {
  const { namespace, name } = identityOf(filter);
  const patches = (filter.spec?.configPatches ?? []).filter(isForAllRoutes);
  const actions = rateActionsOf(patches.flatMap(limitsOfRoutes));
  const resources: ConfigResource[] = [];
  const names: (readonly [string, string])[] = [];
  const policies = patches.flatMap((patch, i) =>
    bodiesOf(view, patch, actions).map(({ body, asks }, j) => {
      const key = `EnvoyFilter/${namespace}/${name}/${i}${j === 0 ? '' : `.${j}`}`;
      resources.push(configResource(PolicySchema, key, { meta: metaOf('EnvoyFilter', filter), body }));
      names.push([POLICY_TYPE_URL, key]);
      if (asks !== undefined) {
        resources.push(asks.backend);
        names.push([asks.backend.typeUrl, asks.backend.name], [ADDRESS_TYPE_URL, asks.service]);
      }
      return { key, ports: portsOf(patch) };
    }),
  );
  return { policies, resources, names };
}

/** A patch of a named route would limit more than was meant if it counted for all. */
function isForAllRoutes({ match = {} }: EnvoyFilterPatch): boolean {
  const ofGateway = mapIn(mapIn(mapIn(match, 'route_configuration'), 'vhost'), 'route');
  return textIn(ofGateway, 'name') === '' && textIn(mapIn(mapIn(match, 'waypoint'), 'route'), 'name') === '';
}

function portsOf({ match = {} }: EnvoyFilterPatch): number[] {
  const places = ['listener', 'route_configuration', 'waypoint'].map((place) =>
    uintIn(mapIn(match, place), 'port_number'),
  );
  return places.filter((port) => port !== undefined && port > 0) as number[];
}

/** `rate_limits` in the virtual host or in the action of the route. */
function limitsOfRoutes({ applyTo = '', patch }: EnvoyFilterPatch): readonly Json[] {
  if (!ROUTE_KINDS.has(applyTo)) return [];
  const value = patch?.value ?? {};
  return [...mapsIn(value, 'rate_limits'), ...mapsIn(mapIn(value, 'route'), 'rate_limits')];
}

/** A port of a service, and the key of the service. */
interface Destination {
  readonly backend: ConfigResource;
  readonly service: string;
}

interface PolicyBody {
  readonly body: Body;
  readonly asks?: Destination;
}

function bodiesOf(view: View, entry: EnvoyFilterPatch, actions: readonly RateActionInit[][]): PolicyBody[] {
  const { applyTo = '', patch } = entry;
  if (patch?.operation === 'REMOVE') return [];
  const value = patch?.value ?? {};
  const configs =
    applyTo === 'HTTP_FILTER'
      ? [field(value, 'typed_config')]
      : ROUTE_KINDS.has(applyTo)
        ? Object.values(mapIn(value, 'typed_per_filter_config'))
        : [];
  return configs.flatMap((config) => {
    const local = typedConfig(config, LOCAL);
    if (local !== undefined) return localBodies(local, actions);
    const global = typedConfig(config, GLOBAL);
    return global === undefined ? [] : globalBodies(view, global, actions);
  });
}

/** Without `filter_enabled` and `filter_enforced` the foreign proxy limits nothing, and neither does the waypoint. */
function localBodies(config: Json, ofRoutes: readonly RateActionInit[][]): PolicyBody[] {
  const enabledPpm = partsPerMillionIn(config, 'filter_enabled');
  const enforcedPpm = partsPerMillionIn(config, 'filter_enforced');
  if (field(config, 'token_bucket') === undefined || enabledPpm === 0 || enforcedPpm === 0) return [];
  const bucket = bucketOf(mapIn(config, 'token_bucket'));
  const own = rateActionsOf(mapsIn(config, 'rate_limits'));
  const descriptors = mapsIn(config, 'descriptors').map((d) => descriptorsOf(d, own.length > 0 ? own : ofRoutes));
  if (bucket === undefined || descriptors.includes(undefined)) {
    const reason = 'a token bucket needs max_tokens and a fill_interval of at least 1 ms';
    return [{ body: { case: 'invalid', value: { reason } } }];
  }
  const value: Init<MessageInitShape<typeof LocalRateLimitSchema>> = {
    ...bucket,
    descriptors: descriptors.flatMap((list) => list ?? []),
    status: statusIn(config, 'status'),
    responseHeaders: { add: addedHeaders(config) },
    enabledPpm,
    enforcedPpm,
    rateHeaders: textIn(config, 'enable_x_ratelimit_headers') === 'DRAFT_VERSION_03',
  };
  return [{ body: { case: 'localRateLimit', value } }];
}

interface Bucket {
  readonly maxTokens: number;
  readonly perFill: number;
  readonly interval: ReturnType<typeof durationOf>;
}

function bucketOf(given: Json): Bucket | undefined {
  const maxTokens = uintIn(given, 'max_tokens') ?? 0;
  const intervalMs = durationMsIn(given, 'fill_interval') ?? 0;
  if (maxTokens === 0 || intervalMs < 1) return undefined;
  return { maxTokens, perFill: uintIn(given, 'tokens_per_fill') ?? 1, interval: durationOf(intervalMs) };
}

/** One bucket list per entry of `rate_limits` that makes the same keys; undefined when the bucket is none. */
function descriptorsOf(
  given: Json,
  actions: readonly RateActionInit[][],
): Init<MessageInitShape<typeof DescriptorSchema>>[] | undefined {
  const bucket = bucketOf(mapIn(given, 'token_bucket'));
  if (bucket === undefined) return undefined;
  const entries = mapsIn(given, 'entries').map((entry) => ({
    key: textIn(entry, 'key'),
    value: field(entry, 'value'),
  }));
  const values = Object.fromEntries(
    entries.flatMap(({ key, value }) => (typeof value === 'string' && value !== '' ? [[key, value]] : [])),
  );
  const fits = (list: readonly RateActionInit[]): boolean =>
    list.length === entries.length && list.every(({ key }, i) => key === entries[i]?.key);
  return actions.filter(fits).map((keys) => ({ ...bucket, keys, values }));
}

function addedHeaders(config: Json): Record<string, string> {
  return Object.fromEntries(
    mapsIn(config, 'response_headers_to_add').flatMap((option) => {
      const header = mapIn(option, 'header');
      const name = textIn(header, 'key').toLowerCase();
      return name === '' ? [] : [[name, textIn(header, 'value')]];
    }),
  );
}

/** A status of at least 400, as number; 0 for the default. */
function statusIn(config: Json, name: string): number {
  const code = uintIn(mapIn(config, name), 'code') ?? 0;
  return code >= 400 && code < 600 ? code : 0;
}

/** One question per entry of `rate_limits`. */
function globalBodies(view: View, config: Json, actions: readonly RateActionInit[][]): PolicyBody[] {
  const service = mapIn(mapIn(mapIn(config, 'rate_limit_service'), 'grpc_service'), 'envoy_grpc');
  const asks = destinationOf(view, textIn(service, 'cluster_name'));
  const timeoutMs = durationMsIn(config, 'timeout');
  const common = {
    backend: asks?.backend.name ?? '',
    domain: textIn(config, 'domain'),
    denyOnError: field(config, 'failure_mode_deny') === true,
    rateHeaders: textIn(config, 'enable_x_ratelimit_headers') === 'DRAFT_VERSION_03',
    status: statusIn(config, 'rate_limited_status'),
    ...(timeoutMs !== undefined && { timeout: durationOf(timeoutMs) }),
  };
  return actions.map((list) => ({
    body: { case: 'globalRateLimit', value: { ...common, actions: list } },
    ...(asks && { asks }),
  }));
}

/** `outbound|<port>|<subset>|<hostname>`: a port of a service of the mesh; other clusters are not known here. */
function destinationOf(view: View, cluster: string): Destination | undefined {
  const [direction, port, subset = '', hostname = ''] = cluster.split('|');
  if (direction !== 'outbound' || hostname === '') return undefined;
  const { byNamespace, canonical } = winnersOf(view, hostname);
  const service = canonical === undefined ? undefined : byNamespace.get(canonical);
  const backend = service && backendOf(view, service, Number(port), subset);
  return backend && { backend, service: frontendKey(service) };
}
