// ServiceEntry (networking.istio.io): a service that is not a Kubernetes Service.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { integer, text, textMap, texts } from '../schema.ts';
import { IstioStatusSchema, ServiceEntryPortSchema } from './selection.ts';

const ports = Type.Optional(Type.Record(Type.String(), Type.Integer()));

/** Schema of one endpoint of a ServiceEntry; the spec of a WorkloadEntry has the same fields. */
export const ServiceEntryEndpointSchema = Type.Object({
  address: text,
  ports,
  labels: textMap,
  network: text,
  locality: text,
  weight: integer,
  serviceAccount: text,
});
/** One endpoint of a ServiceEntry. */
export type ServiceEntryEndpoint = Type.Static<typeof ServiceEntryEndpointSchema>;

/** Schema of ServiceEntry (networking.istio.io/v1). */
export const ServiceEntrySchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('ServiceEntry')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      hosts: texts,
      addresses: texts,
      ports: Type.Optional(Type.Array(ServiceEntryPortSchema)),
      location: Type.Optional(Type.Enum(['MESH_EXTERNAL', 'MESH_INTERNAL'])),
      resolution: Type.Optional(Type.Enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])),
      endpoints: Type.Optional(Type.Array(ServiceEntryEndpointSchema)),
      workloadSelector: Type.Optional(Type.Object({ labels: textMap })),
      exportTo: texts,
      subjectAltNames: texts,
    }),
  ),
  status: Type.Optional(
    Type.Object({
      ...IstioStatusSchema.properties,
      addresses: Type.Optional(Type.Array(Type.Object({ value: text, host: text }))),
    }),
  ),
});
/** A service entry. */
export type ServiceEntry = Type.Static<typeof ServiceEntrySchema>;
/** One port of a service entry. */
export type ServiceEntryPort = Type.Static<typeof ServiceEntryPortSchema>;

/** Schema of WorkloadEntry (networking.istio.io/v1). */
export const WorkloadEntrySchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('WorkloadEntry')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(ServiceEntryEndpointSchema),
  status: Type.Optional(IstioStatusSchema),
});
/** A workload outside Kubernetes. */
export type WorkloadEntry = Type.Static<typeof WorkloadEntrySchema>;
