// The plain record of one addressable instance, as every layer above sees it. Made by translate/workload.ts or by the
// local state file; immutable; structured-cloneable (it travels to data threads inside a StateDiff).

/** Where a gateway or waypoint is: by address or by service name, and its HBONE port. */
export interface GatewayAddress {
  readonly destination:
    | { readonly kind: 'address'; readonly network: string; readonly ip: string }
    | { readonly kind: 'hostname'; readonly namespace: string; readonly hostname: string };
  readonly hboneMtlsPort: number;
}

/** Failure domain of a workload; an unknown part is the empty string. */
export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** Service port to target port of one membership; target 0 = unknown here, ask the service. */
export type PortMap = Readonly<Record<number, number>>;

/** One workload (pod, VM, external address). Field meanings: spec/node-proxy.md 4.5. */
export interface Workload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Canonical text, see ip.ts. */
  readonly ips: readonly string[];
  readonly hostname: string;
  readonly network: string;
  readonly protocol: 'TCP' | 'HBONE';
  readonly trustDomain: string;
  readonly serviceAccount: string;
  readonly waypoint: GatewayAddress | undefined;
  readonly networkGateway: GatewayAddress | undefined;
  readonly node: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly workloadType: 'deployment' | 'cronjob' | 'pod' | 'job';
  readonly workloadName: string;
  readonly nativeTunnel: boolean;
  readonly applicationTunnel: { readonly protocol: 'NONE' | 'PROXY'; readonly port: number | undefined } | undefined;
  /** Key `namespace/hostname`. */
  readonly services: Readonly<Record<string, PortMap>>;
  /** Keys `namespace/name`, in the order of the control plane. */
  readonly authorizationPolicies: readonly string[];
  readonly healthy: boolean;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly hostNetwork: boolean;
  /** Load-balancing weight; 0 = never chosen. */
  readonly capacity: number;
}

/** The identity URI of a workload. */
export function identityOf(workload: Workload): string {
  return `spiffe://${workload.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
}
