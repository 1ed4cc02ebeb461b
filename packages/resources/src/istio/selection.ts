// How Istio objects say what they apply to. Imported by the Istio kinds.
import Type from 'typebox';
import { ConditionSchema } from '../object-meta.ts';
import { integer, Opaque, text, textMap } from '../schema.ts';

/** Schema of a workload selector that matches pods by labels. */
export const WorkloadSelectorSchema = Type.Object({ matchLabels: textMap });

/** Schema of a reference to the object that a policy applies to. */
export const TargetRefSchema = Type.Object({
  group: text,
  kind: Type.String(),
  name: Type.String(),
  namespace: text,
});
/** Reference to the object that a policy applies to, always in the policy's namespace. */
export type TargetRef = Type.Static<typeof TargetRefSchema>;

/** A 64-bit number as JSON: istiod writes it as text (`"1"`), other writers as a number. */
const generation = Type.Optional(Type.Union([Type.Integer(), Type.String()]));

/** Schema of the status that all Istio kinds share. */
export const IstioStatusSchema = Type.Object({
  conditions: Type.Optional(Type.Array(Type.Object({ ...ConditionSchema.properties, observedGeneration: generation }))),
  observedGeneration: generation,
  validationMessages: Type.Optional(Type.Array(Opaque)),
});
/** Status of an Istio object. */
export type IstioStatus = Type.Static<typeof IstioStatusSchema>;

/** Spec fields that choose the objects a policy applies to. */
export const targeting = {
  selector: Type.Optional(WorkloadSelectorSchema),
  targetRef: Type.Optional(TargetRefSchema),
  targetRefs: Type.Optional(Type.Array(TargetRefSchema, { maxItems: 16 })),
};

/** Schema of a port as ServiceEntry declares it. */
export const ServiceEntryPortSchema = Type.Object({
  number: Type.Integer(),
  protocol: text,
  name: Type.String(),
  targetPort: integer,
});
