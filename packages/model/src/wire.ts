// Numbers of the wire enums that the translation writes (spec control-plane 2.1, 3.1) and the shapes of the messages.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AuthorizationSchema } from '@ambit/proto/authorization';
import type { ServiceSchema, WorkloadSchema } from '@ambit/proto/workload';

/** A workload as plain data, before encoding. */
export type WorkloadInit = Exclude<MessageInitShape<typeof WorkloadSchema>, { $typeName: string }>;
/** A service as plain data, before encoding. */
export type ServiceInit = Exclude<MessageInitShape<typeof ServiceSchema>, { $typeName: string }>;
/** An authorization as plain data, before encoding. */
export type AuthorizationInit = Exclude<MessageInitShape<typeof AuthorizationSchema>, { $typeName: string }>;

/** Values of TunnelProtocol, WorkloadType, WorkloadStatus and NetworkMode of istio.workload. */
export const HBONE = 1;
export const WORKLOAD_TYPE_POD = 2;
export const UNHEALTHY = 1;
export const HOST_NETWORK = 1;

/** istio.workload.AppProtocol. */
export const AppProtocol = { UNKNOWN: 0, HTTP11: 1, HTTP2: 2, GRPC: 3, TCP: 4, TLS: 5 } as const;
/** istio.workload.LoadBalancing.Scope. */
export const Scope = { REGION: 1, ZONE: 2, SUBZONE: 3, NODE: 4, CLUSTER: 5, NETWORK: 6 } as const;
/** istio.workload.LoadBalancing.Mode. */
export const LbMode = { UNSPECIFIED: 0, STRICT: 1, FAILOVER: 2, PASSTHROUGH: 3 } as const;
/** istio.workload.LoadBalancing.HealthPolicy. */
export const ALLOW_ALL = 1;
/** istio.security.Scope. */
export const PolicyScope = { GLOBAL: 0, NAMESPACE: 1, WORKLOAD_SELECTOR: 2 } as const;
/** istio.security.Action. */
export const PolicyAction = { ALLOW: 0, DENY: 1 } as const;
