// DestinationRule (networking.istio.io): how connections to a host are made, and its subsets.
import Type from 'typebox';
import { ObjectMetaSchema } from '../object-meta.ts';
import { flag, integer, opaque, text, textMap, texts } from '../schema.ts';
import { IstioStatusSchema, WorkloadSelectorSchema } from './selection.ts';

const number = Type.Optional(Type.Number());

const ConsistentHash = Type.Object({
  httpHeaderName: text,
  httpCookie: Type.Optional(Type.Object({ name: text, path: text, ttl: text })),
  useSourceIp: flag,
  httpQueryParameterName: text,
  ringHash: Type.Optional(Type.Object({ minimumRingSize: integer })),
  maglev: Type.Optional(Type.Object({ tableSize: integer })),
  minimumRingSize: integer,
});
const LoadBalancer = Type.Object({
  simple: text,
  consistentHash: Type.Optional(ConsistentHash),
  localityLbSetting: Type.Optional(
    Type.Object({
      enabled: flag,
      distribute: Type.Optional(
        Type.Array(Type.Object({ from: text, to: Type.Optional(Type.Record(Type.String(), Type.Integer())) })),
      ),
      failover: Type.Optional(Type.Array(Type.Object({ from: text, to: text }))),
      failoverPriority: texts,
    }),
  ),
  warmup: Type.Optional(Type.Object({ duration: text, minimumPercent: number, aggression: number })),
  warmupDurationSecs: text,
});
const Keepalive = Type.Optional(Type.Object({ probes: integer, time: text, interval: text }));
const ConnectionPool = Type.Object({
  tcp: Type.Optional(
    Type.Object({
      maxConnections: integer,
      connectTimeout: text,
      tcpKeepalive: Keepalive,
      maxConnectionDuration: text,
      idleTimeout: text,
    }),
  ),
  http: Type.Optional(
    Type.Object({
      http1MaxPendingRequests: integer,
      http2MaxRequests: integer,
      maxRequestsPerConnection: integer,
      maxRetries: integer,
      idleTimeout: text,
      h2UpgradePolicy: text,
      useClientProtocol: flag,
      maxConcurrentStreams: integer,
      http2KeepAlive: Type.Optional(Type.Object({ interval: text, timeout: text })),
    }),
  ),
});
const Outlier = Type.Object({
  splitExternalLocalOriginErrors: flag,
  consecutiveLocalOriginFailures: integer,
  consecutiveGatewayErrors: integer,
  consecutive5xxErrors: integer,
  interval: text,
  baseEjectionTime: text,
  maxEjectionPercent: integer,
  minHealthPercent: integer,
});
const Tls = Type.Object({
  mode: text,
  clientCertificate: text,
  privateKey: text,
  caCertificates: text,
  credentialName: text,
  subjectAltNames: texts,
  sni: text,
  insecureSkipVerify: flag,
  caCrl: text,
});
const blocks = {
  loadBalancer: Type.Optional(LoadBalancer),
  connectionPool: Type.Optional(ConnectionPool),
  outlierDetection: Type.Optional(Outlier),
  tls: Type.Optional(Tls),
};
const TrafficPolicy = Type.Object({
  ...blocks,
  portLevelSettings: Type.Optional(
    Type.Array(Type.Object({ port: Type.Optional(Type.Object({ number: integer })), ...blocks })),
  ),
  tunnel: opaque,
  proxyProtocol: Type.Optional(Type.Object({ version: text })),
  retryBudget: Type.Optional(Type.Object({ percent: number, minRetryConcurrency: integer, budgetInterval: text })),
});

/** Schema of DestinationRule (networking.istio.io/v1). */
export const DestinationRuleSchema = Type.Object({
  apiVersion: Type.Optional(Type.String()),
  kind: Type.Optional(Type.Literal('DestinationRule')),
  metadata: ObjectMetaSchema,
  spec: Type.Optional(
    Type.Object({
      host: text,
      trafficPolicy: Type.Optional(TrafficPolicy),
      subsets: Type.Optional(
        Type.Array(Type.Object({ name: Type.String(), labels: textMap, trafficPolicy: Type.Optional(TrafficPolicy) })),
      ),
      exportTo: texts,
      workloadSelector: Type.Optional(WorkloadSelectorSchema),
    }),
  ),
  status: Type.Optional(IstioStatusSchema),
});
/** A destination rule. */
export type DestinationRule = Type.Static<typeof DestinationRuleSchema>;
/** How connections to a destination are made. */
export type TrafficPolicy = Type.Static<typeof TrafficPolicy>;
