// VirtualService (networking.istio.io): how requests for hosts are routed.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, text, textMap, texts } from '../schema.ts';
import { IstioStatusSchema } from './selection.ts';

const TextMatch = Type.Object({ exact: text, prefix: text, regex: text });
const TextMatches = Type.Optional(Type.Record(Type.String(), TextMatch));
const Percent = Type.Optional(Type.Object({ value: Type.Optional(Type.Number()) }));
const number = Type.Optional(Type.Number());

const Destination = Type.Object({
  host: Type.String(),
  subset: text,
  port: Type.Optional(Type.Object({ number: integer })),
});
const HeaderChanges = Type.Object({ set: textMap, add: textMap, remove: texts });
const Headers = Type.Optional(
  Type.Object({ request: Type.Optional(HeaderChanges), response: Type.Optional(HeaderChanges) }),
);
const RouteDestination = Type.Object({ destination: Type.Optional(Destination), weight: integer, headers: Headers });

const HttpMatch = Type.Object({
  name: text,
  uri: Type.Optional(TextMatch),
  scheme: Type.Optional(TextMatch),
  method: Type.Optional(TextMatch),
  authority: Type.Optional(TextMatch),
  headers: TextMatches,
  withoutHeaders: TextMatches,
  queryParams: TextMatches,
  port: integer,
  sourceLabels: textMap,
  gateways: texts,
  sourceNamespace: text,
  ignoreUriCase: flag,
  statPrefix: text,
});

const Redirect = Type.Object({
  uri: text,
  prefixRewrite: text,
  authority: text,
  port: integer,
  derivePort: text,
  scheme: text,
  redirectCode: integer,
});
const Fault = Type.Object({
  delay: Type.Optional(Type.Object({ percent: number, percentage: Percent, fixedDelay: text })),
  abort: Type.Optional(Type.Object({ percentage: Percent, httpStatus: integer, grpcStatus: text })),
});
const Cors = Type.Object({
  allowOrigin: texts,
  allowOrigins: Type.Optional(Type.Array(TextMatch)),
  allowMethods: texts,
  allowHeaders: texts,
  exposeHeaders: texts,
  maxAge: text,
  allowCredentials: flag,
  unmatchedPreflights: text,
});
const Retries = Type.Object({
  attempts: integer,
  perTryTimeout: text,
  retryOn: text,
  retryRemoteLocalities: flag,
  retryIgnorePreviousHosts: flag,
  backoff: text,
});

const HttpRule = Type.Object({
  name: text,
  match: Type.Optional(Type.Array(HttpMatch)),
  route: Type.Optional(Type.Array(RouteDestination)),
  redirect: Type.Optional(Redirect),
  directResponse: Type.Optional(
    Type.Object({ status: integer, body: Type.Optional(Type.Object({ string: text, bytes: text })) }),
  ),
  delegate: Type.Optional(Type.Object({ name: text, namespace: text })),
  rewrite: Type.Optional(
    Type.Object({
      uri: text,
      authority: text,
      uriRegexRewrite: Type.Optional(Type.Object({ match: text, rewrite: text })),
    }),
  ),
  timeout: text,
  retries: Type.Optional(Retries),
  fault: Type.Optional(Fault),
  mirror: Type.Optional(Destination),
  mirrorPercent: integer,
  mirrorPercentage: Percent,
  mirrors: Type.Optional(Type.Array(Type.Object({ destination: Type.Optional(Destination), percentage: Percent }))),
  corsPolicy: Type.Optional(Cors),
  headers: Headers,
});

const StreamMatch = Type.Object({
  sniHosts: texts,
  destinationSubnets: texts,
  port: integer,
  sourceLabels: textMap,
  gateways: texts,
  sourceNamespace: text,
});
const StreamRule = Type.Object({
  match: Type.Optional(Type.Array(StreamMatch)),
  route: Type.Optional(Type.Array(RouteDestination)),
});

/** Schema of VirtualService (networking.istio.io/v1). */
export const VirtualServiceSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('VirtualService')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      hosts: texts,
      gateways: texts,
      http: Type.Optional(Type.Array(HttpRule)),
      tls: Type.Optional(Type.Array(StreamRule)),
      tcp: Type.Optional(Type.Array(StreamRule)),
      exportTo: texts,
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A virtual service. */
export type VirtualService = Type.Static<typeof VirtualServiceSchema>;
/** One HTTP rule of a virtual service. */
export type VirtualServiceHttpRule = Type.Static<typeof HttpRule>;
/** One match of an HTTP rule. */
export type VirtualServiceHttpMatch = Type.Static<typeof HttpMatch>;
/** One TLS or TCP rule. */
export type VirtualServiceStreamRule = Type.Static<typeof StreamRule>;
/** Where a rule leads. */
export type VirtualServiceDestination = Type.Static<typeof Destination>;
/** A destination with its weight. */
export type VirtualServiceRouteDestination = Type.Static<typeof RouteDestination>;
/** Exact, prefix or regular expression; none of them is presence. */
export type VirtualServiceTextMatch = Type.Static<typeof TextMatch>;
