// Parts that the pods of all gateways share: variables, probes, volumes, security (spec control-plane 6.3). Pure; called by
// waypoint-pod.ts and ingress-pod.ts.
import type { PodInput, RenderSettings } from './render.ts';

/** An environment variable with a value. */
export const value = (name: string, text: string): object => ({ name, value: text });
/** An environment variable from a field of the pod. */
export const field = (name: string, fieldPath: string): object => ({ name, valueFrom: { fieldRef: { fieldPath } } });
/** An environment variable from a resource limit. */
export const limit = (name: string, resource: string): object => ({
  name,
  valueFrom: { resourceFieldRef: { resource } },
});
/** A volume mount. */
export const mount = (name: string, mountPath: string): object => ({ name, mountPath });

const port = (name: string, containerPort: number): object => ({ name, containerPort, protocol: 'TCP' });
/** Container ports. */
export const ports: readonly object[] = [
  port('metrics', 15020),
  port('status-port', 15021),
  port('http-envoy-prom', 15090),
];

const ready = {
  httpGet: { path: '/healthz/ready', port: 15021, scheme: 'HTTP' },
  successThreshold: 1,
  timeoutSeconds: 1,
};
/** Probes of the proxy container. */
export const probes = {
  startupProbe: { ...ready, initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 30 },
  readinessProbe: { ...ready, initialDelaySeconds: 0, periodSeconds: 15, failureThreshold: 4 },
};

/** Labels and annotations of the pod as files. */
export const podinfoVolume: object = {
  name: 'istio-podinfo',
  downwardAPI: {
    items: [
      { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
      { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
    ],
  },
};

/** The token of the workload for the control plane. */
export const tokenVolume = (audience: string): object => ({
  name: 'istio-token',
  projected: { sources: [{ serviceAccountToken: { path: 'istio-token', expirationSeconds: 43_200, audience } }] },
});

/** The root certificates of the mesh. */
export const rootVolume = ({ values }: RenderSettings): object => ({
  name: 'istiod-ca-cert',
  configMap: { name: values.rootConfigMap },
});

/** Image, pull policy and log arguments. */
export function imageOf({ gateway, settings }: PodInput): object {
  const annotated = gateway.metadata.annotations?.['sidecar.istio.io/proxyImage'];
  const image = annotated?.includes('/') === true ? annotated : (settings.values.image ?? settings.image);
  const { imagePullPolicy } = settings.values;
  return { image, ...(imagePullPolicy !== undefined && { imagePullPolicy }) };
}

/** Log levels as arguments; annotations of the Gateway win over chart values. */
export function logArguments({ gateway, settings: { values } }: PodInput): string[] {
  const { annotations = {} } = gateway.metadata;
  return [
    '--proxyLogLevel',
    annotations['sidecar.istio.io/logLevel'] ?? values.logLevel,
    '--proxyComponentLogLevel',
    annotations['sidecar.istio.io/componentLogLevel'] ?? values.componentLogLevel,
    '--log_output_level',
    annotations['sidecar.istio.io/agentLogLevel'] ?? values.agentLogLevel,
    ...(values.logsJson ? ['--log_as_json'] : []),
  ];
}

/** Where certificates come from, and who and where the pod is. */
export function platformVariables({ settings }: PodInput): object[] {
  const { revision, systemNamespace, values } = settings;
  const suffix = revision === '' || revision === 'default' ? '' : `-${revision}`;
  const address = values.caAddress === '' ? `istiod${suffix}.${systemNamespace}.svc:15012` : values.caAddress;
  return [
    value('PILOT_CERT_PROVIDER', 'istiod'),
    value('CA_ADDR', address),
    ...(settings.reportsFlows === true ? [value('AMBIT_TELEMETRY_ADDRESS', address)] : []),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
    limit('ISTIO_CPU_LIMIT', 'limits.cpu'),
    value('PROXY_CONFIG', JSON.stringify(settings.proxyConfig)),
  ];
}

/** `proxyMetadata` of the mesh's default configuration. */
export function metadataVariables({ settings }: PodInput): object[] {
  const given = settings.proxyConfig['proxyMetadata'];
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given as Record<string, unknown>)
    .filter(([, text]) => typeof text === 'string')
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => value(name, text as string));
}

/** Who the workload is, for telemetry and identity. */
export function identityVariables({ gateway, settings, deployment }: PodInput): object[] {
  const { values, trustDomain, meshId } = settings;
  const namespace = gateway.metadata.namespace ?? '';
  return [
    value('ISTIO_META_WORKLOAD_NAME', deployment),
    value('ISTIO_META_OWNER', `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${deployment}`),
    value('ISTIO_META_MESH_ID', values.meshId === '' ? meshId : values.meshId),
    value('TRUST_DOMAIN', trustDomain),
  ];
}

/** Container security: no privileges, no writable root. */
export function securityContext(hasIds: boolean): object {
  return {
    privileged: false,
    ...(hasIds && { runAsGroup: 1337, runAsUser: 1337 }),
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  };
}

/** Secrets for pulling images. */
export function pullSecrets({ settings: { values } }: PodInput): object {
  const secrets = values.imagePullSecrets.map((name) => ({ name }));
  return secrets.length === 0 ? {} : { imagePullSecrets: secrets };
}
