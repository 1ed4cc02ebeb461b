// EndpointSlice: which addresses stand behind a Service.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, text, texts } from '../schema.ts';

/** Schema of one endpoint of a slice. */
export const EndpointSchema = Type.Object({
  addresses: texts,
  conditions: Type.Optional(Type.Object({ ready: flag, serving: flag, terminating: flag })),
  targetRef: Type.Optional(Type.Object({ kind: text, namespace: text, name: text, uid: text, apiVersion: text })),
  nodeName: text,
  zone: text,
  hostname: text,
});

/** Schema of EndpointSlice (discovery.k8s.io/v1). */
export const EndpointSliceSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('discovery.k8s.io/v1')),
  kind: Type.Optional(Type.Literal('EndpointSlice')),
  metadata: ObjectMetaSchema,
  addressType: text,
  endpoints: Type.Optional(Type.Union([Type.Array(EndpointSchema), Type.Null()])),
  ports: Type.Optional(
    Type.Union([
      Type.Array(Type.Object({ name: text, port: integer, protocol: text, appProtocol: text })),
      Type.Null(),
    ]),
  ),
});
/** A part of the endpoints of a Service. */
export type EndpointSlice = Type.Static<typeof EndpointSliceSchema>;
