// Namespace and Node: where things run.
import Type from 'typebox';
import { ConditionSchema, ObjectMetaSchema } from '../object-meta.ts';
import { flag, Opaque, opaque, text, textMap, texts } from '../schema.ts';

/** Schema of Namespace (v1). */
export const NamespaceSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('Namespace')),
  metadata: ObjectMetaSchema,
  spec: opaque,
  status: Type.Optional(Type.Object({ phase: text })),
});
/** A namespace. */
export type Namespace = Type.Static<typeof NamespaceSchema>;

/** Schema of Node (v1). */
export const NodeSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('Node')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      podCIDR: text,
      podCIDRs: texts,
      providerID: text,
      unschedulable: flag,
      taints: Type.Optional(Type.Array(Opaque)),
    }),
  ),
  status: Type.Optional(
    Type.Object({
      addresses: Type.Optional(Type.Array(Type.Object({ type: Type.String(), address: Type.String() }))),
      conditions: Type.Optional(Type.Array(ConditionSchema)),
      capacity: textMap,
      allocatable: textMap,
      nodeInfo: opaque,
    }),
  ),
});
/** A machine of the cluster. */
export type Node = Type.Static<typeof NodeSchema>;
