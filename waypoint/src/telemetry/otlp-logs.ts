/**
 * Access logs for OpenTelemetry collectors: completed records -> OTLP log records over gRPC, in batches (spec/waypoint.md 7.3).
 * Made by threads/data-plane.ts; data thread. The text format is the body, the labels are the attributes.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import { ExportLogsServiceRequestSchema } from '@ambit/proto/logs';
import type { AccessLogProvider } from '@ambit/proto/waypoint';
import type { Logger } from '@ambit/runtime/log';
import { attributeOf, nanosOf } from '../tracing/encode.ts';
import { BatchQueue } from './batch-queue.ts';
import type { FieldValue } from './log-format.ts';
import { type CollectorOptions, sendToCollector } from './send-to-collector.ts';

const otlpPath = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';

/** One log record. */
export interface OtlpLog {
  readonly atMs: number;
  readonly body: string;
  readonly attributes: readonly (readonly [string, FieldValue])[];
  /** Hexadecimal; undefined where nothing is traced. */
  readonly traceId: string | undefined;
  readonly spanId: string | undefined;
}

/** What the exporter needs from its data thread. */
export interface OtlpLogsOptions extends CollectorOptions {
  /** `service.name` of the resource. */
  readonly serviceName: () => string;
  readonly onDropped: (count: number) => void;
  readonly log: Logger;
}

/** Makes the exporter of a data thread. */
export const createOtlpLogs = (options: OtlpLogsOptions): BatchQueue<OtlpLog, AccessLogProvider> =>
  new BatchQueue({
    send: (logs, { otlpBackend, otlpLogName }) =>
      sendToCollector(options, {
        backend: otlpBackend,
        target: otlpPath,
        contentType: 'application/grpc',
        headers: {},
        bytes: encodeLogs(logs, otlpLogName, options.serviceName()),
      }),
    onDropped: options.onDropped,
    waitMs: 1000,
    what: 'access logs',
    log: options.log,
  });

/** An ExportLogsServiceRequest. */
export const encodeLogs = (logs: readonly OtlpLog[], logName: string, serviceName: string): Uint8Array =>
  toBinary(
    ExportLogsServiceRequestSchema,
    create(ExportLogsServiceRequestSchema, {
      resourceLogs: [
        {
          resource: { attributes: [attributeOf('log_name', logName), attributeOf('service.name', serviceName)] },
          scopeLogs: [
            {
              logRecords: logs.map(({ atMs, body, attributes, traceId = '', spanId = '' }) => ({
                timeUnixNano: nanosOf(atMs),
                body: { value: { case: 'stringValue' as const, value: body } },
                attributes: attributes.map(([name, value]) => attribute(name, value)),
                traceId: Buffer.from(traceId, 'hex'),
                spanId: Buffer.from(spanId, 'hex'),
              })),
            },
          ],
        },
      ],
    }),
  );

const attribute = (key: string, value: FieldValue) =>
  typeof value === 'number' && Number.isSafeInteger(value)
    ? { key, value: { value: { case: 'intValue' as const, value: BigInt(value) } } }
    : attributeOf(key, value === null ? '' : String(value));
