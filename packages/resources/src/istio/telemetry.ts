// Telemetry (telemetry.istio.io): what is logged, traced and counted for which objects.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, text } from '../schema.ts';
import { IstioStatusSchema, targeting } from './selection.ts';

const providers = Type.Optional(Type.Array(Type.Object({ name: Type.String() })));
const mode = Type.Optional(Type.Enum(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER']));
const match = Type.Optional(Type.Object({ mode }));
const withDefault = Type.Optional(Type.Object({ name: text, defaultValue: text }));

/** Schema of one entry of `tracing`. */
export const TelemetryTracingSchema = Type.Object({
  match,
  providers,
  /** 0 to 100. */
  randomSamplingPercentage: Type.Optional(Type.Number()),
  disableSpanReporting: flag,
  useRequestIdForTraceSampling: flag,
  enableIstioTags: flag,
  disableContextPropagation: flag,
  customTags: Type.Optional(
    Type.Record(
      Type.String(),
      Type.Object({
        literal: Type.Optional(Type.Object({ value: text })),
        environment: withDefault,
        header: withDefault,
        formatter: Type.Optional(Type.Object({ value: text })),
      }),
    ),
  ),
});
/** One entry of `tracing`. */
export type TelemetryTracing = Type.Static<typeof TelemetryTracingSchema>;

/** Schema of one entry of `metrics`. */
export const TelemetryMetricsSchema = Type.Object({
  providers,
  reportingInterval: text,
  overrides: Type.Optional(
    Type.Array(
      Type.Object({
        match: Type.Optional(Type.Object({ metric: text, customMetric: text, mode })),
        disabled: flag,
        tagOverrides: Type.Optional(
          Type.Record(
            Type.String(),
            Type.Object({ operation: Type.Optional(Type.Enum(['UPSERT', 'REMOVE'])), value: text }),
          ),
        ),
      }),
    ),
  ),
});
/** One entry of `metrics`. */
export type TelemetryMetrics = Type.Static<typeof TelemetryMetricsSchema>;

/** Schema of one entry of `accessLogging`. */
export const TelemetryAccessLoggingSchema = Type.Object({
  match,
  providers,
  disabled: flag,
  filter: Type.Optional(Type.Object({ expression: text })),
});
/** One entry of `accessLogging`. */
export type TelemetryAccessLogging = Type.Static<typeof TelemetryAccessLoggingSchema>;

/** Schema of Telemetry (telemetry.istio.io/v1). */
export const TelemetrySchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('Telemetry')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      ...targeting,
      tracing: Type.Optional(Type.Array(TelemetryTracingSchema)),
      metrics: Type.Optional(Type.Array(TelemetryMetricsSchema)),
      accessLogging: Type.Optional(Type.Array(TelemetryAccessLoggingSchema)),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A telemetry setting. */
export type Telemetry = Type.Static<typeof TelemetrySchema>;
