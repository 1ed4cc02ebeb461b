// Service: the fields that workload discovery reads and the Gateway deployer writes.
import Type from 'typebox';
import { ConditionSchema, ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, IntOrText, Opaque, text, textMap, texts } from '../schema.ts';

/** Schema of a Service port. */
export const ServicePortSchema = Type.Object({
  name: text,
  port: Type.Integer(),
  targetPort: Type.Optional(IntOrText),
  protocol: text,
  appProtocol: text,
  nodePort: integer,
});
/** One port of a Service. */
export type ServicePort = Type.Static<typeof ServicePortSchema>;

/** Schema of Service (v1). */
export const ServiceSchema = Type.Object({
  apiVersion: Type.Optional(Type.Literal('v1')),
  kind: Type.Optional(Type.Literal('Service')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      type: text,
      clusterIP: text,
      clusterIPs: texts,
      externalIPs: texts,
      externalName: text,
      selector: textMap,
      ports: Type.Optional(Type.Array(ServicePortSchema)),
      publishNotReadyAddresses: flag,
      internalTrafficPolicy: text,
      externalTrafficPolicy: text,
      trafficDistribution: text,
      sessionAffinity: text,
      ipFamilies: texts,
      ipFamilyPolicy: text,
      loadBalancerIP: text,
    }),
  ),
  status: Type.Optional(
    Type.Object({
      conditions: Type.Optional(Type.Array(ConditionSchema)),
      loadBalancer: Type.Optional(
        Type.Object({
          ingress: Type.Optional(
            Type.Array(Type.Object({ ip: text, hostname: text, ports: Type.Optional(Type.Array(Opaque)) })),
          ),
        }),
      ),
    }),
  ),
});
/** A Kubernetes Service. */
export type Service = Type.Static<typeof ServiceSchema>;
