// HTTPRoute and GRPCRoute (gateway.networking.k8s.io).
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, opaque, text, texts } from '../schema.ts';
import { backendRefFields, ParentRefSchema, RouteStatusSchema } from './references.ts';

const NamedValue = Type.Object({ name: Type.String(), value: Type.String() });
const KeyMatch = Type.Object({ type: text, name: Type.String(), value: Type.String() });

const HeaderModifier = Type.Object({
  set: Type.Optional(Type.Array(NamedValue)),
  add: Type.Optional(Type.Array(NamedValue)),
  remove: texts,
});

const PathModifier = Type.Object({ type: Type.String(), replaceFullPath: text, replacePrefixMatch: text });

const Filter = Type.Object({
  type: Type.String(),
  requestHeaderModifier: Type.Optional(HeaderModifier),
  responseHeaderModifier: Type.Optional(HeaderModifier),
  requestRedirect: Type.Optional(
    Type.Object({
      scheme: text,
      hostname: text,
      port: integer,
      statusCode: integer,
      path: Type.Optional(PathModifier),
    }),
  ),
  urlRewrite: Type.Optional(Type.Object({ hostname: text, path: Type.Optional(PathModifier) })),
  requestMirror: Type.Optional(
    Type.Object({
      backendRef: Type.Object(backendRefFields),
      percent: integer,
      fraction: Type.Optional(Type.Object({ numerator: Type.Integer(), denominator: integer })),
    }),
  ),
  cors: Type.Optional(
    Type.Object({
      allowOrigins: texts,
      allowMethods: texts,
      allowHeaders: texts,
      exposeHeaders: texts,
      maxAge: integer,
      allowCredentials: flag,
    }),
  ),
  extensionRef: opaque,
  externalAuth: opaque,
});
/** One filter of a route rule. */
export type RouteFilter = Type.Static<typeof Filter>;

const BackendRef = Type.Object({
  ...backendRefFields,
  weight: integer,
  filters: Type.Optional(Type.Array(Filter)),
});
/** One weighted destination of a route rule. */
export type BackendRef = Type.Static<typeof BackendRef>;

const Retry = Type.Object({ codes: Type.Optional(Type.Array(Type.Integer())), attempts: integer, backoff: text });
const SessionPersistence = Type.Object({
  sessionName: text,
  absoluteTimeout: text,
  idleTimeout: text,
  type: text,
  cookieConfig: opaque,
});

const HttpMatch = Type.Object({
  path: Type.Optional(Type.Object({ type: text, value: text })),
  headers: Type.Optional(Type.Array(KeyMatch)),
  queryParams: Type.Optional(Type.Array(KeyMatch)),
  method: text,
});
/** One alternative of what an HTTPRoute rule matches. */
export type HttpRouteMatch = Type.Static<typeof HttpMatch>;

const HttpRule = Type.Object({
  name: text,
  matches: Type.Optional(Type.Array(HttpMatch)),
  filters: Type.Optional(Type.Array(Filter)),
  backendRefs: Type.Optional(Type.Array(BackendRef)),
  timeouts: Type.Optional(Type.Object({ request: text, backendRequest: text })),
  retry: Type.Optional(Retry),
  sessionPersistence: Type.Optional(SessionPersistence),
});
/** One rule of an HTTPRoute. */
export type HttpRouteRule = Type.Static<typeof HttpRule>;

/** Schema of HTTPRoute (gateway.networking.k8s.io/v1). */
export const HTTPRouteSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('HTTPRoute')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parentRefs: Type.Optional(Type.Array(ParentRefSchema)),
      hostnames: texts,
      rules: Type.Optional(Type.Array(HttpRule)),
    }),
  ),
  status: Type.Optional(RouteStatusSchema),
});
/** An HTTP route. */
export type HTTPRoute = Type.Static<typeof HTTPRouteSchema>;

const GrpcRule = Type.Object({
  name: text,
  matches: Type.Optional(
    Type.Array(
      Type.Object({
        method: Type.Optional(Type.Object({ type: text, service: text, method: text })),
        headers: Type.Optional(Type.Array(KeyMatch)),
      }),
    ),
  ),
  filters: Type.Optional(Type.Array(Filter)),
  backendRefs: Type.Optional(Type.Array(BackendRef)),
  sessionPersistence: Type.Optional(SessionPersistence),
});
/** One rule of a GRPCRoute. */
export type GrpcRouteRule = Type.Static<typeof GrpcRule>;

/** Schema of GRPCRoute (gateway.networking.k8s.io/v1). */
export const GRPCRouteSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('GRPCRoute')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parentRefs: Type.Optional(Type.Array(ParentRefSchema)),
      hostnames: texts,
      rules: Type.Optional(Type.Array(GrpcRule)),
    }),
  ),
  status: Type.Optional(RouteStatusSchema),
});
/** A gRPC route. */
export type GRPCRoute = Type.Static<typeof GRPCRouteSchema>;

const StreamRule = Type.Object({ name: text, backendRefs: Type.Optional(Type.Array(BackendRef)) });

/** Schema of TCPRoute (gateway.networking.k8s.io/v1). */
export const TCPRouteSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('TCPRoute')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parentRefs: Type.Optional(Type.Array(ParentRefSchema)),
      rules: Type.Optional(Type.Array(StreamRule)),
    }),
  ),
  status: Type.Optional(RouteStatusSchema),
});
/** A TCP route. */
export type TCPRoute = Type.Static<typeof TCPRouteSchema>;

/** Schema of TLSRoute (gateway.networking.k8s.io/v1). */
export const TLSRouteSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('TLSRoute')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      parentRefs: Type.Optional(Type.Array(ParentRefSchema)),
      hostnames: texts,
      rules: Type.Optional(Type.Array(StreamRule)),
    }),
  ),
  status: Type.Optional(RouteStatusSchema),
});
/** A TLS route. */
export type TLSRoute = Type.Static<typeof TLSRouteSchema>;
