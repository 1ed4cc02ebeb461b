// `extensionProviders` of the mesh configuration that answer for action CUSTOM -> plain settings (spec waypoint 4.4). A provider
// that cannot be used is left out: the waypoint denies what its policies cover. Called by mesh-config.ts. Pure.
import { isDecimal } from './ip.ts';
import { goDurationMs } from './translate/waypoint-config/duration.ts';
import { isDnsLabel } from './validate/names.ts';

/** One external authorizer, without what depends on objects of the cluster. */
export interface ExtAuthzOptions {
  readonly name: string;
  readonly isGrpc: boolean;
  /** Empty: the one namespace that defines the hostname. */
  readonly namespace: string;
  readonly hostname: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly failOpen: boolean;
  /** 0 = 403. */
  readonly statusOnError: number;
  readonly pathPrefix: string;
  readonly checkHeaders: readonly string[];
  readonly extraHeaders: Readonly<Record<string, string>>;
  /** 0 = bodies are not sent. */
  readonly maxBodyBytes: number;
  readonly allowPartialBody: boolean;
  readonly packBodyAsBytes: boolean;
  readonly headersToUpstream: readonly string[];
  readonly headersToClientOnDeny: readonly string[];
  readonly headersToClientOnAllow: readonly string[];
  readonly clearRoute: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** Upstream's default. */
const DEFAULT_TIMEOUT_MS = 600_000;
/** Reads the providers; of two with one name none can be used. */
export function extAuthzOptions(providers: readonly unknown[]): readonly ExtAuthzOptions[] {
  const all = providers.map(objectOf).flatMap((provider) => {
    const http = provider['envoyExtAuthzHttp'];
    const grpc = provider['envoyExtAuthzGrpc'];
    if (http === undefined && grpc === undefined) return [];
    const name = textOf(provider['name']);
    return [{ name, read: readOne(name, objectOf(http ?? grpc), http === undefined) }];
  });
  return all.flatMap(({ name, read }) =>
    read === undefined || all.filter((other) => other.name === name).length > 1 ? [] : [read],
  );
}

function readOne(name: string, fields: Json, isGrpc: boolean): ExtAuthzOptions | undefined {
  const service = textOf(fields['service']).split('/');
  const [hostname = '', namespace = ''] = service.toReversed();
  const body = objectOf(fields['includeRequestBodyInCheck']);
  const timeout = fields['timeout'];
  const timeoutMs = timeout === undefined ? DEFAULT_TIMEOUT_MS : goDurationMs(textOf(timeout));
  const statusOnError = textOf(fields['statusOnError']);
  const pathPrefix = textOf(fields['pathPrefix']);
  const checkHeaders = textsOf(fields['includeRequestHeadersInCheck']);
  const read = {
    name,
    isGrpc,
    namespace,
    hostname,
    port: numberOf(fields['port']),
    timeoutMs: timeoutMs ?? 0,
    failOpen: fields['failOpen'] === true,
    statusOnError: Number(statusOnError),
    pathPrefix,
    checkHeaders: checkHeaders.length > 0 ? checkHeaders : textsOf(fields['includeHeadersInCheck']),
    extraHeaders: headersOf(fields['includeAdditionalHeadersInCheck']),
    maxBodyBytes: numberOf(body['maxRequestBytes']),
    allowPartialBody: body['allowPartialMessage'] === true,
    packBodyAsBytes: body['packAsBytes'] === true,
    headersToUpstream: textsOf(fields['headersToUpstreamOnAllow']),
    headersToClientOnDeny: textsOf(fields['headersToDownstreamOnDeny']),
    headersToClientOnAllow: textsOf(fields['headersToDownstreamOnAllow']),
    clearRoute: fields['clearRouteCache'] === true,
  };
  const lists = [read.checkHeaders, read.headersToUpstream, read.headersToClientOnDeny, read.headersToClientOnAllow];
  const isUsable =
    // Names stand in metrics and in ids of policies.
    isDnsLabel(name) &&
    name === name.toLowerCase() &&
    service.length <= 2 &&
    hostname !== '' &&
    Number.isInteger(read.port) &&
    read.port >= 1 &&
    read.port <= 65_535 &&
    read.timeoutMs > 0 &&
    (statusOnError === '' || isStatus(statusOnError)) &&
    (pathPrefix === '' || pathPrefix.startsWith('/')) &&
    !lists.flat().includes('*');
  return isUsable ? read : undefined;
}

const isStatus = (text: string): boolean => isDecimal(text, 3) && Number(text) >= 100 && Number(text) < 600;

function headersOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(objectOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
