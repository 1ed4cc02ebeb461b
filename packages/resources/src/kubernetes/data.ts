// ConfigMap, Secret, ServiceAccount and Lease: small objects that hold data.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, Opaque, text, textMap } from '../schema.ts';

/** Schema of ConfigMap (v1). */
export const ConfigMapSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('ConfigMap')),
  metadata: ObjectMetaSchema,
  data: textMap,
  binaryData: textMap,
  immutable: flag,
});
/** A ConfigMap. */
export type ConfigMap = Type.Static<typeof ConfigMapSchema>;

/** Schema of Secret (v1). */
export const SecretSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('Secret')),
  metadata: ObjectMetaSchema,
  type: text,
  data: textMap,
  stringData: textMap,
  immutable: flag,
});
/** A Secret; values of `data` are base64. */
export type Secret = Type.Static<typeof SecretSchema>;

/** Schema of ServiceAccount (v1). */
export const ServiceAccountSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('ServiceAccount')),
  metadata: ObjectMetaSchema,
  automountServiceAccountToken: flag,
  imagePullSecrets: Type.Optional(Type.Array(Opaque)),
});
/** A ServiceAccount. */
export type ServiceAccount = Type.Static<typeof ServiceAccountSchema>;

/** Schema of Lease (coordination.k8s.io/v1). */
export const LeaseSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('coordination.k8s.io/v1')),
  kind: Type.Optional(Type.Literal('Lease')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      holderIdentity: text,
      leaseDurationSeconds: integer,
      acquireTime: text,
      renewTime: text,
      leaseTransitions: integer,
    }),
  ),
});
/** A lock with an expiry; leader election writes it. */
export type Lease = Type.Static<typeof LeaseSchema>;
