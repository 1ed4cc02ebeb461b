// Status conditions that the translation wants on objects (spec control-plane 9.1). Produced by translate/*, written by the
// control plane's status writer with one field manager per writer.

/** A condition without its time and generation, which the writer adds. */
export interface ConditionResult {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

/** Field managers of the ambient status writers. */
export type StatusManager =
  | 'istio-ambient-service'
  | 'istio-ambient-ztunnel-policy'
  | 'istio-ambient-waypoint-policy'
  | 'istio-ambient-workloadentry';

/** All conditions that one writer wants on one object; an empty list clears what the writer set before. */
export interface ObjectConditions {
  readonly kind: 'Service' | 'ServiceEntry' | 'WorkloadEntry' | 'AuthorizationPolicy';
  readonly namespace: string;
  readonly name: string;
  readonly manager: StatusManager;
  readonly conditions: readonly ConditionResult[];
}
