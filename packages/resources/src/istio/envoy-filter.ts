// EnvoyFilter (networking.istio.io): changes of a foreign proxy's configuration. Only what the waypoint has an engine for is read.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { integer, opaque, text, textMap } from '../schema.ts';
import { IstioStatusSchema, TargetRefSchema } from './selection.ts';

const ConfigPatch = Type.Object({
  applyTo: text,
  match: opaque,
  patch: Type.Optional(Type.Object({ operation: text, value: opaque, filterClass: text })),
});

/** Schema of EnvoyFilter (networking.istio.io/v1alpha3). */
export const EnvoyFilterSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('EnvoyFilter')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      workloadSelector: Type.Optional(Type.Object({ labels: textMap })),
      targetRefs: Type.Optional(Type.Array(TargetRefSchema, { maxItems: 16 })),
      configPatches: Type.Optional(Type.Array(ConfigPatch)),
      priority: integer,
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** Changes of a proxy's configuration. */
export type EnvoyFilter = Type.Static<typeof EnvoyFilterSchema>;
/** One change. */
export type EnvoyFilterPatch = Type.Static<typeof ConfigPatch>;
