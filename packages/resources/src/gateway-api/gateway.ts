// GatewayClass, Gateway, ListenerSet and ReferenceGrant (gateway.networking.k8s.io).
import Type from 'typebox';
import { ConditionSchema, LabelSelectorSchema, ObjectMetaSchema } from '../object-meta.ts';
import { integer, Opaque, opaque, text, textMap } from '../schema.ts';

const conditions = Type.Optional(Type.Array(ConditionSchema));

/** Schema of GatewayClass (gateway.networking.k8s.io/v1). */
export const GatewayClassSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('GatewayClass')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(Type.Object({ controllerName: Type.String(), description: text, parametersRef: opaque })),
  status: Type.Optional(Type.Object({ conditions, supportedFeatures: Type.Optional(Type.Array(Opaque)) })),
});
/** A class of gateways. */
export type GatewayClass = Type.Static<typeof GatewayClassSchema>;

const Listener = Type.Object({
  name: Type.String(),
  hostname: text,
  port: Type.Integer(),
  protocol: Type.String(),
  tls: Type.Optional(Type.Object({ mode: text, certificateRefs: Type.Optional(Type.Array(Opaque)), options: textMap })),
  allowedRoutes: Type.Optional(
    Type.Object({
      namespaces: Type.Optional(Type.Object({ from: text, selector: Type.Optional(LabelSelectorSchema) })),
      kinds: Type.Optional(Type.Array(Type.Object({ group: text, kind: Type.String() }))),
    }),
  ),
});
/** One listener of a Gateway. */
export type Listener = Type.Static<typeof Listener>;

const GatewayAddress = Type.Object({ type: text, value: text });

/** Schema of Gateway (gateway.networking.k8s.io/v1). */
export const GatewaySchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('Gateway')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      gatewayClassName: Type.String(),
      listeners: Type.Optional(Type.Array(Listener)),
      addresses: Type.Optional(Type.Array(GatewayAddress)),
      infrastructure: Type.Optional(
        Type.Object({
          labels: textMap,
          annotations: textMap,
          parametersRef: Type.Optional(Type.Object({ group: text, kind: Type.String(), name: Type.String() })),
        }),
      ),
      allowedListeners: Type.Optional(
        Type.Object({
          namespaces: Type.Optional(Type.Object({ from: text, selector: Type.Optional(LabelSelectorSchema) })),
        }),
      ),
      tls: opaque,
    }),
  ),
  status: Type.Optional(
    Type.Object({
      addresses: Type.Optional(Type.Array(GatewayAddress)),
      conditions,
      listeners: Type.Optional(
        Type.Array(
          Type.Object({
            name: Type.String(),
            attachedRoutes: integer,
            supportedKinds: Type.Optional(Type.Array(Type.Object({ group: text, kind: Type.String() }))),
            conditions,
          }),
        ),
      ),
    }),
  ),
});
/** A gateway: here mostly a waypoint. */
export type Gateway = Type.Static<typeof GatewaySchema>;

/** Schema of ListenerSet (gateway.networking.k8s.io/v1): listeners that are added to a Gateway from elsewhere. */
export const ListenerSetSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('ListenerSet')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parentRef: Type.Object({ group: text, kind: text, namespace: text, name: Type.String() }),
      listeners: Type.Optional(Type.Array(Listener)),
    }),
  ),
  status: Type.Optional(Type.Object({ conditions, listeners: Type.Optional(Type.Array(Opaque)) })),
});
/** Listeners for a Gateway. */
export type ListenerSet = Type.Static<typeof ListenerSetSchema>;

const grantPeer = Type.Object({ group: text, kind: Type.String(), namespace: text, name: text });

/** Schema of ReferenceGrant (gateway.networking.k8s.io/v1beta1). */
export const ReferenceGrantSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('ReferenceGrant')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({ from: Type.Optional(Type.Array(grantPeer)), to: Type.Optional(Type.Array(grantPeer)) }),
  ),
});
/** Permission for references from other namespaces. */
export type ReferenceGrant = Type.Static<typeof ReferenceGrantSchema>;
