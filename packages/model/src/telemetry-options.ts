// `extensionProviders` of the mesh configuration that take logs and spans -> plain settings (spec waypoint 7.2 to 7.4). A provider that
// cannot be used is left out, with a Telemetry that names it as if it named none. Called by mesh-config.ts. Pure.
import { isDecimal } from './ip.ts';

/** Where a provider's service is found; empty namespace: the one namespace that defines the hostname. */
export interface ProviderService {
  readonly namespace: string;
  readonly hostname: string;
  readonly port: number;
}

/** One receiver of spans. */
export interface TracingProviderOptions extends ProviderService {
  readonly name: string;
  /** OTLP over HTTP instead of gRPC; Zipkin is always HTTP. */
  readonly isHttp: boolean;
  readonly isZipkin: boolean;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** 0 = the proxy's default. */
  readonly maxTagLength: number;
  /** In `defaultProviders`: used where no Telemetry says otherwise. */
  readonly isDefault: boolean;
}

/** One file for access logs. */
export interface FileLogProviderOptions {
  readonly name: string;
  readonly path: string;
  /** Empty = the default format. */
  readonly textFormat: string;
  /** Undefined = text. */
  readonly jsonFields: Readonly<Record<string, string>> | undefined;
  readonly isDefault: boolean;
}

/** One collector of access logs, by OTLP over gRPC. */
export interface OtlpLogProviderOptions extends ProviderService, Omit<FileLogProviderOptions, 'path'> {
  readonly logName: string;
}

/** What the mesh says about telemetry. */
export interface TelemetryOptions {
  readonly tracing: readonly TracingProviderOptions[];
  readonly fileLogs: readonly FileLogProviderOptions[];
  readonly otlpLogs: readonly OtlpLogProviderOptions[];
  /** Share of requests that are traced where nobody says otherwise, 0 to 100. */
  readonly samplingPercent: number;
}

type Json = Readonly<Record<string, unknown>>;

/** Upstream's share of requests. */
const DEFAULT_SAMPLING = 1;
const ZIPKIN_PATH = '/api/v2/spans';
/** Upstream's name of a log that has none. */
const LOG_NAME = 'otel_envoy_accesslog';

/** Reads the providers and defaults; `sampling` is the environment's PILOT_TRACE_SAMPLING. */
export function telemetryOptions(mesh: Json, sampling: string | undefined): TelemetryOptions {
  const providers = listOf(mesh['extensionProviders']).map(objectOf);
  const defaults = objectOf(mesh['defaultProviders']);
  const isDefault = (block: string, name: string): boolean => listOf(defaults[block]).includes(name);
  const configured = objectOf(objectOf(mesh['defaultConfig'])['tracing'])['sampling'];
  return {
    tracing: providers.flatMap((p) => tracingOf(p, isDefault('tracing', textOf(p['name'])))),
    fileLogs: providers.flatMap((p) => fileLogOf(p, isDefault('accessLogging', textOf(p['name'])))),
    otlpLogs: providers.flatMap((p) => otlpLogOf(p, isDefault('accessLogging', textOf(p['name'])))),
    samplingPercent: percentOf(configured) ?? percentOf(Number(sampling ?? Number.NaN)) ?? DEFAULT_SAMPLING,
  };
}

function tracingOf(provider: Json, isDefault: boolean): TracingProviderOptions[] {
  const otlp = provider['opentelemetry'];
  const zipkin = provider['zipkin'];
  if (otlp === undefined && zipkin === undefined) return [];
  const fields = objectOf(otlp ?? zipkin);
  const http = objectOf(fields['http']);
  const read = {
    name: textOf(provider['name']),
    ...serviceOf(fields),
    isZipkin: otlp === undefined,
    isHttp: otlp === undefined || fields['http'] !== undefined,
    path: textOf(http['path']) || textOf(fields['path']) || (otlp === undefined ? ZIPKIN_PATH : ''),
    headers: headersOf(http['headers']),
    maxTagLength: numberOf(fields['maxTagLength']),
    isDefault,
  };
  return read.name !== '' && isUsable(read) ? [read] : [];
}

/** `hostname` or `namespace/hostname`, and the port. */
function serviceOf(fields: Json): ProviderService {
  const [hostname = '', namespace = ''] = textOf(fields['service']).split('/').toReversed();
  return { namespace, hostname, port: numberOf(fields['port']) };
}

function isUsable({ hostname, port }: ProviderService): boolean {
  return hostname !== '' && Number.isInteger(port) && port > 0 && port < 65_536;
}

function otlpLogOf(provider: Json, isDefault: boolean): OtlpLogProviderOptions[] {
  if (provider['envoyOtelAls'] === undefined) return [];
  const fields = objectOf(provider['envoyOtelAls']);
  const name = textOf(provider['name']);
  const service = serviceOf(fields);
  const logName = textOf(fields['logName']) || LOG_NAME;
  return name === '' || !isUsable(service) ? [] : [{ name, ...service, logName, ...formatOf(fields), isDefault }];
}

function fileLogOf(provider: Json, isDefault: boolean): FileLogProviderOptions[] {
  if (provider['envoyFileAccessLog'] === undefined) return [];
  const fields = objectOf(provider['envoyFileAccessLog']);
  const name = textOf(provider['name']);
  const path = textOf(fields['path']) || '/dev/stdout';
  return name === '' ? [] : [{ name, path, ...formatOf(fields), isDefault }];
}

function formatOf(fields: Json): Pick<FileLogProviderOptions, 'textFormat' | 'jsonFields'> {
  const format = objectOf(fields['logFormat']);
  const labels = Object.entries(objectOf(format['labels']));
  const jsonFields =
    format['labels'] === undefined
      ? undefined
      : Object.fromEntries(labels.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
  return { textFormat: textOf(format['text']), jsonFields };
}

/** Headers with a value in the configuration; values out of the environment of another process are not read. */
function headersOf(value: unknown): Readonly<Record<string, string>> {
  const pairs = listOf(value)
    .map(objectOf)
    .map(({ name, value: text }) => [textOf(name), textOf(text)] as const);
  return Object.fromEntries(pairs.filter(([name, text]) => name !== '' && text !== ''));
}

function percentOf(value: unknown): number | undefined {
  const percent = typeof value === 'string' && isDecimal(value, 3) ? Number(value) : value;
  return typeof percent === 'number' && percent >= 0 && percent <= 100 ? percent : undefined;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const objectOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {});
