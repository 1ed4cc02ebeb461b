// Telemetry -> the waypoint's Policy, and the providers that Telemetries name (spec waypoint 7.2 to 7.4). A waypoint behaves as a server:
// entries for clients only are left out. Pure. Called by units.ts and gateway.ts.
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  AccessLogProvider_Format,
  type AccessLogUseSchema,
  MetricOverride_Mode,
  type MetricOverrideSchema,
  PolicySchema,
  type ProviderSchema,
  type TracingTagSchema,
  type TracingUseSchema,
} from '@ambit/proto/waypoint';
import type { Telemetry, TelemetryAccessLogging, TelemetryMetrics, TelemetryTracing } from '@ambit/resources';
import { identityOf, type View } from '../../index/view.ts';
import type { FileLogProviderOptions, TracingProviderOptions } from '../../telemetry-options.ts';
import { type ConfigResource, configResource } from './config-resource.ts';
import { durationOf, goDurationMs } from './duration.ts';
import { backendKey, policyKey } from './keys.ts';
import { metaOf } from './meta.ts';
import { providerService } from './provider-backends.ts';

type Init<T> = Exclude<T, { $typeName: string }>;

/** Upstream's name of the provider that every mesh has: a line on standard output. */
export const STANDARD_LOG = 'envoy';

/** The Policy of a Telemetry. Nothing in it can open or close access, so what cannot be read is left out. */
export function telemetryResource(telemetry: Telemetry): ConfigResource {
  const { namespace, name } = identityOf(telemetry);
  const { tracing = [], metrics = [], accessLogging = [] } = telemetry.spec ?? {};
  const [trace] = tracing.filter(({ match }) => match?.mode !== 'CLIENT');
  const logs = accessLogging.filter(({ match }) => match?.mode !== 'CLIENT');
  const intervals = metrics.map(({ reportingInterval }) => goDurationMs(reportingInterval));
  const interval = intervals.find((ms) => ms !== undefined);
  return configResource(PolicySchema, policyKey('Telemetry', namespace, name), {
    meta: metaOf('Telemetry', telemetry),
    body: {
      case: 'telemetry',
      value: {
        metrics: metrics.flatMap(overridesOf),
        ...(interval !== undefined && { reportInterval: durationOf(interval) }),
        logs: logs.flatMap(logUsesOf),
        ...(trace !== undefined && { tracing: tracingUse(trace) }),
      },
    },
  });
}

const MODES: Readonly<Record<string, MetricOverride_Mode>> = {
  CLIENT: MetricOverride_Mode.CLIENT,
  SERVER: MetricOverride_Mode.SERVER,
};

function overridesOf({ overrides = [] }: TelemetryMetrics): Init<MessageInitShape<typeof MetricOverrideSchema>>[] {
  return overrides.map(({ match, disabled = false, tagOverrides = {} }) => ({
    metric: match?.customMetric ?? match?.metric ?? 'ALL_METRICS',
    mode: MODES[match?.mode ?? ''] ?? MetricOverride_Mode.CLIENT_AND_SERVER,
    disabled,
    tags: Object.fromEntries(
      Object.entries(tagOverrides).map(([tag, { operation, value = '' }]) => [
        tag,
        operation === 'REMOVE' ? { remove: true } : { valueCel: value },
      ]),
    ),
  }));
}

/** An entry without providers means the standard one. */
function logUsesOf(entry: TelemetryAccessLogging): Init<MessageInitShape<typeof AccessLogUseSchema>>[] {
  const { providers = [], disabled = false, filter } = entry;
  const names = providers.length === 0 ? [STANDARD_LOG] : providers.map(({ name }) => name);
  return names.map((provider) => ({ provider, disabled, filterCel: filter?.expression ?? '' }));
}

function tracingUse(entry: TelemetryTracing): Init<MessageInitShape<typeof TracingUseSchema>> {
  const { providers, randomSamplingPercentage: percent, customTags = {} } = entry;
  return {
    provider: providers?.[0]?.name ?? '',
    samplingSet: percent !== undefined,
    samplingPercent: percent ?? 0,
    disableReporting: entry.disableSpanReporting ?? false,
    requestIdSampling: entry.useRequestIdForTraceSampling ?? true,
    istioTags: entry.enableIstioTags ?? true,
    disablePropagation: entry.disableContextPropagation ?? false,
    tags: Object.fromEntries(
      Object.entries(customTags).flatMap(([tag, source]) => {
        const made = tagOf(source);
        return made === undefined ? [] : [[tag, made]];
      }),
    ),
  };
}

type UserTag = NonNullable<TelemetryTracing['customTags']>[string];

function tagOf(tag: UserTag): Init<MessageInitShape<typeof TracingTagSchema>> | undefined {
  const { literal, environment, header, formatter } = tag;
  if (literal !== undefined) return { source: { case: 'literal', value: literal.value ?? '' } };
  if (formatter !== undefined) return { source: { case: 'formatter', value: formatter.value ?? '' } };
  const [kind, named] =
    environment === undefined ? (['header', header] as const) : (['environment', environment] as const);
  if (named === undefined) return undefined;
  return { source: { case: kind, value: named.name ?? '' }, defaultValue: named.defaultValue ?? '' };
}

/** Receivers of spans whose service exists. */
export function tracingProviders(view: View): MessageInitShape<typeof ProviderSchema>[] {
  const { tracing, samplingPercent } = view.options.telemetry;
  return tracing.flatMap((options) => {
    const service = providerService(view, options);
    return service === undefined ? [] : [tracingProvider(options, backendKey(service, options.port), samplingPercent)];
  });
}

function tracingProvider(
  options: TracingProviderOptions,
  backend: string,
  samplingPercent: number,
): MessageInitShape<typeof ProviderSchema> {
  const { name, isHttp, isZipkin, path, headers, maxTagLength, isDefault } = options;
  const value = {
    backend,
    http: isHttp,
    zipkin: isZipkin,
    path,
    headers: { ...headers },
    maxTagLength,
    samplingPercent,
  };
  return { name, body: { case: 'tracing', value: { ...value, notDefault: !isDefault } } };
}

/** Collectors of access logs whose service exists. */
export function otlpLogProviders(view: View): MessageInitShape<typeof ProviderSchema>[] {
  return view.options.telemetry.otlpLogs.flatMap((options): MessageInitShape<typeof ProviderSchema>[] => {
    const { name, port, logName, textFormat, jsonFields, isDefault } = options;
    const service = providerService(view, options);
    if (service === undefined) return [];
    const value = {
      otlpBackend: backendKey(service, port),
      otlpLogName: logName,
      textFormat,
      jsonFields: { ...jsonFields },
      notDefault: !isDefault,
    };
    return [{ name, body: { case: 'accessLog', value } }];
  });
}

/** Files for access logs that the mesh configuration names, and the standard one when nothing else made it. */
export function fileLogProviders(view: View): MessageInitShape<typeof ProviderSchema>[] {
  const { accessLog, telemetry } = view.options;
  const standard: FileLogProviderOptions = {
    name: STANDARD_LOG,
    path: '/dev/stdout',
    textFormat: '',
    jsonFields: undefined,
    isDefault: false,
  };
  const hasStandard = accessLog !== undefined || telemetry.fileLogs.some(({ name }) => name === STANDARD_LOG);
  return [...telemetry.fileLogs, ...(hasStandard ? [] : [standard])].map(
    ({ name, path, textFormat, jsonFields, isDefault }) => ({
      name,
      body: {
        case: 'accessLog',
        value: {
          path,
          format: jsonFields === undefined ? AccessLogProvider_Format.TEXT : AccessLogProvider_Format.JSON,
          textFormat,
          jsonFields: { ...jsonFields },
          notDefault: !isDefault,
        },
      },
    }),
  );
}
