// Metadata that every Kubernetes object carries. Imported by every kind file and by whoever handles objects generically.
import Type from 'typebox';
import { flag, integer, text, textMap, texts } from './schema.ts';

/** Schema of an owner reference. */
export const OwnerReferenceSchema = Type.Object({
  apiVersion: Type.String(),
  kind: Type.String(),
  name: Type.String(),
  uid: text,
  controller: flag,
  blockOwnerDeletion: flag,
});
/** The object that this one belongs to; garbage collection follows it. */
export type OwnerReference = Type.Static<typeof OwnerReferenceSchema>;

/** Schema of `metadata`. */
export const ObjectMetaSchema = Type.Object({
  name: Type.Optional(Type.String()),
  namespace: text,
  generateName: text,
  uid: text,
  resourceVersion: text,
  generation: integer,
  creationTimestamp: text,
  deletionTimestamp: text,
  deletionGracePeriodSeconds: integer,
  labels: textMap,
  annotations: textMap,
  finalizers: texts,
  ownerReferences: Type.Optional(Type.Array(OwnerReferenceSchema)),
});
/** `metadata` of a Kubernetes object; times are RFC 3339 texts. */
export type ObjectMeta = Type.Static<typeof ObjectMetaSchema>;

/** Any Kubernetes object. Concrete kinds of this package are assignable to it. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
  readonly [field: string]: unknown;
}

/** Schema of one entry of `status.conditions`. */
export const ConditionSchema = Type.Object({
  type: Type.String(),
  status: Type.String(),
  reason: text,
  message: text,
  lastTransitionTime: text,
  observedGeneration: integer,
});
/** One entry of `status.conditions`; `status` is `True`, `False` or `Unknown`. */
export type Condition = Type.Static<typeof ConditionSchema>;

/** Schema of a label selector. */
export const LabelSelectorSchema = Type.Object({
  matchLabels: textMap,
  matchExpressions: Type.Optional(
    Type.Array(Type.Object({ key: Type.String(), operator: Type.String(), values: texts })),
  ),
});
/** A label selector; no fields selects everything. */
export type LabelSelector = Type.Static<typeof LabelSelectorSchema>;
