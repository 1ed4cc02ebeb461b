// In: what a user sets. Out: complete values. Called by render/mesh.ts and the CLI.

/** Values of an installation; the names follow the charts that people already have values for. */
export interface MeshValues {
  /** Namespace of the control plane and the daemons. Default `istio-system`. */
  readonly namespace: string;
  /** Image prefix, default `ambit`. */
  readonly hub: string;
  /** Image tag, default `dev`. */
  readonly tag: string;
  /** Default `cluster.local`. */
  readonly trustDomain: string;
  /** DNS domain of the cluster, default `cluster.local`. */
  readonly clusterDomain: string;
  /** Name of the cluster as identities of registries see it, default `Kubernetes`. */
  readonly clusterId: string;
  /** Network of this cluster's pods; empty = the only one. */
  readonly network: string;
  /** Log level of all components: error, warn, info, debug or trace. Default `info`. */
  readonly logLevel: string;
  readonly ztunnel: {
    /** Seconds a replaced node proxy may keep serving its connections, default 30. */
    readonly terminationGracePeriodSeconds: number;
    /** Further environment variables. */
    readonly env: Readonly<Record<string, string>>;
  };
  readonly cni: {
    /** Run in the node's network namespace instead of switching into it. Default false. */
    readonly shareHostNetworkNamespace: boolean;
    /** Namespaces whose pods are never enrolled, beside the mesh's own. */
    readonly excludeNamespaces: readonly string[];
    /** Redirect the pods' DNS queries to the node proxy. Default true. */
    readonly dnsCapture: boolean;
    /** Enrol IPv6 addresses too. Default true. */
    readonly ipv6: boolean;
    /** Further environment variables. */
    readonly env: Readonly<Record<string, string>>;
  };
  readonly pilot: {
    /** Further environment variables. */
    readonly env: Readonly<Record<string, string>>;
  };
}

/** Values in which everything is optional, down to the leaves. */
export type PartialMeshValues = {
  readonly [K in keyof MeshValues]?: MeshValues[K] extends string ? string : Partial<MeshValues[K]>;
};

/** What an installation looks like when the user sets nothing. */
export const defaultValues: MeshValues = Object.freeze({
  namespace: 'istio-system',
  hub: 'ambit',
  tag: 'dev',
  trustDomain: 'cluster.local',
  clusterDomain: 'cluster.local',
  clusterId: 'Kubernetes',
  network: '',
  logLevel: 'info',
  ztunnel: { terminationGracePeriodSeconds: 30, env: {} },
  cni: { shareHostNetworkNamespace: false, excludeNamespaces: ['kube-system'], dnsCapture: true, ipv6: true, env: {} },
  pilot: { env: {} },
});

/** Lays the user's values over the defaults. */
export function completeValues(values: PartialMeshValues = {}): MeshValues {
  return Object.freeze({
    ...defaultValues,
    ...values,
    ztunnel: { ...defaultValues.ztunnel, ...values.ztunnel },
    cni: { ...defaultValues.cni, ...values.cni },
    pilot: { ...defaultValues.pilot, ...values.pilot },
  });
}
