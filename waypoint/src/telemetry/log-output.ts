/**
 * Where access logs go: providers of the mesh -> outputs (spec/waypoint.md 7.2, 7.3). In: an AccessLogProvider. Out: a line for standard
 * output, or a record for a collector. Pure; compiled by updates/, used by threads/data-plane.ts.
 */
import { type AccessLogProvider, AccessLogProvider_Format } from '@ambit/proto/waypoint';
import { type AccessLogEncoding, formatAccessLog } from './access-log.ts';
import {
  type AccessLogFormatter,
  compileFields,
  compileJsonFormat,
  compileTextFormat,
  type FieldValue,
} from './log-format.ts';
import type { OtlpLog } from './otlp-logs.ts';
import type { RequestRecord } from './request-record.ts';

/** One output of a request's record. */
export type LogOutput =
  | { readonly kind: 'line'; readonly format: AccessLogFormatter }
  | {
      readonly kind: 'otlp';
      readonly provider: AccessLogProvider;
      readonly body: AccessLogFormatter;
      readonly attributes: (record: RequestRecord) => readonly (readonly [string, FieldValue])[];
    };

/** The output of a provider; undefined for files that are not standard output. */
export const outputOf = (provider: AccessLogProvider): LogOutput | undefined => {
  const known = outputs.get(provider);
  if (known !== undefined) return known;
  const made = makeOutput(provider);
  if (made !== undefined) outputs.set(provider, made);
  return made;
};

const outputs = new WeakMap<AccessLogProvider, LogOutput>();

const makeOutput = (provider: AccessLogProvider): LogOutput | undefined => {
  if (provider.otlpBackend !== '') {
    const { textFormat, jsonFields } = provider;
    const body = textFormat === '' ? defaultAccessLog('TEXT') : compileTextFormat(textFormat);
    return { kind: 'otlp', provider, body, attributes: compileFields(jsonFields) };
  }
  return provider.path === '/dev/stdout' ? { kind: 'line', format: formatterOf(provider) } : undefined;
};

/** Lines of a provider; Istio's own fields where it names none. */
const formatterOf = ({ format, textFormat, jsonFields }: AccessLogProvider): AccessLogFormatter => {
  if (format === AccessLogProvider_Format.JSON) {
    return Object.keys(jsonFields).length === 0 ? defaultAccessLog('JSON') : compileJsonFormat(jsonFields);
  }
  return textFormat === '' ? defaultAccessLog('TEXT') : compileTextFormat(textFormat);
};

/** Istio's own fields in one of the two encodings. */
export const defaultAccessLog =
  (encoding: AccessLogEncoding): AccessLogFormatter =>
  (record) =>
    formatAccessLog(record, encoding);

/** The record of a request for a collector. */
export const otlpLogOf = (output: LogOutput & { readonly kind: 'otlp' }, record: RequestRecord): OtlpLog => ({
  atMs: record.startedAtMs,
  body: output.body(record),
  attributes: output.attributes(record),
  traceId: record.trace?.traceId,
  spanId: record.trace?.spanId,
});
