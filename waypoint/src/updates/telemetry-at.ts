/**
 * Telemetry policies of a frontend port -> which access lines its requests write and what their metrics say (spec/waypoint.md 7.2).
 * In: references in order, the less specific first. Out: undefined parts where the mesh decides. Pure; called by compiled-config.ts.
 */
import { type MetricOverride, MetricOverride_Mode, type Policy, type PolicyRef } from '@ambit/proto/waypoint';
import { type LogOutput, outputOf } from '../telemetry/log-output.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import { compileRecordExpression, type RecordExpression } from '../telemetry/record-expression.ts';
import type { ProxySettings } from './proxy-settings.ts';

/** One kind of line. */
export interface LogUse {
  readonly output: LogOutput;
  /** True when the request is to be logged. */
  readonly wants: (record: RequestRecord) => boolean;
}

/** What the metrics of a request are changed into. */
export interface MetricEdits {
  /** Labels of a metric (its name in the Telemetry API, `REQUEST_COUNT`); undefined when it is switched off. */
  labels<Values extends Readonly<Record<string, string>>>(
    metric: string,
    values: Values,
    record: RequestRecord,
  ): Values | undefined;
}

/** Telemetry of one port. */
export interface PortTelemetry {
  /** Access lines; undefined = those of the mesh. */
  readonly logs: readonly LogUse[] | undefined;
  readonly metrics: MetricEdits | undefined;
}

/** Telemetry that no policy touches. */
export const meshTelemetry: PortTelemetry = Object.freeze({ logs: undefined, metrics: undefined });

/** Compiles the policies of a port. An expression that cannot be read is as one that is absent. */
export const telemetryAt = (
  settings: ProxySettings,
  refs: readonly PolicyRef[],
  lookup: (key: string) => Policy | undefined,
): PortTelemetry => {
  let logs: readonly LogUse[] | undefined;
  const overrides: MetricOverride[] = [];
  for (const { policy } of refs) {
    const body = lookup(policy)?.body;
    if (body?.case !== 'telemetry') continue;
    if (body.value.logs.length > 0)
      logs = body.value.logs.flatMap((use) => (use.disabled ? [] : logUse(settings, use)));
    overrides.push(...body.value.metrics.filter(({ mode }) => mode !== MetricOverride_Mode.CLIENT));
  }
  if (logs === undefined && overrides.length === 0) return meshTelemetry;
  return { logs, metrics: overrides.length === 0 ? undefined : metricEdits(overrides) };
};

/** Files other than standard output and receivers of logs have no engine: such a use writes nothing. */
const logUse = (
  { source }: ProxySettings,
  { provider, filterCel }: { readonly provider: string; readonly filterCel: string },
): LogUse[] => {
  const body = source?.providers.find(({ name }) => name.toLowerCase() === provider.toLowerCase())?.body;
  const output = body?.case === 'accessLog' ? outputOf(body.value) : undefined;
  if (output === undefined) return [];
  const filter = filterCel === '' ? undefined : compileRecordExpression(filterCel);
  return [{ output, wants: (record) => filter === undefined || filter(record) === true }];
};

interface Edit {
  readonly isOff: boolean;
  /** Undefined removes. */
  readonly tags: ReadonlyMap<string, RecordExpression | undefined>;
}

const ALL = 'ALL_METRICS';

/** Overrides of all metrics count first, then those of the one, each in their order; the later wins. */
const metricEdits = (overrides: readonly MetricOverride[]): MetricEdits => {
  const edits = new Map<string, Edit>();
  const editOf = (metric: string): Edit => {
    const fits = (name: string) => overrides.filter((override) => (override.metric || ALL) === name);
    const list = [...fits(ALL), ...(metric === ALL ? [] : fits(metric))];
    const tags = new Map<string, RecordExpression | undefined>();
    for (const override of list) {
      for (const [tag, { remove, valueCel }] of Object.entries(override.tags))
        tags.set(tag, remove ? undefined : (compileRecordExpression(valueCel) ?? unreadable));
    }
    return { isOff: list.at(-1)?.disabled === true, tags };
  };
  return {
    labels: (metric, values, record) => {
      let edit = edits.get(metric);
      if (edit === undefined) edits.set(metric, (edit = editOf(metric)));
      if (edit.isOff) return undefined;
      if (edit.tags.size === 0) return values;
      const edited: Record<string, string> = { ...values };
      for (const [tag, expression] of edit.tags) {
        // A series has a fixed set of labels: an empty one is as none, a new one has no place.
        if (Object.hasOwn(values, tag)) edited[tag] = expression === undefined ? '' : textOf(expression(record));
      }
      return edited as typeof values;
    },
  };
};

const unreadable: RecordExpression = () => undefined;

const textOf = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : 'unknown';
