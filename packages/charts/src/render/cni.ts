// In: values. Out: the node agent's objects. Pure. Called by mesh.ts. Source: spec control-plane 7.4, node-agent 7.1 and 7.2.
import type { KubernetesObject } from '@ambit/resources';
import type { MeshValues } from '../values.ts';
import { daemonTolerations, envField, envRecord, partOf } from './parts.ts';

const labels = { ...partOf('cni'), 'k8s-app': 'istio-cni-node' };

const hostPaths: readonly {
  readonly name: string;
  readonly mountPath: string;
  readonly path: string;
  readonly type?: string;
  readonly extra?: object;
}[] = [
  { name: 'cni-bin-dir', mountPath: '/host/opt/cni/bin', path: '/opt/cni/bin', type: 'DirectoryOrCreate' },
  { name: 'cni-net-dir', mountPath: '/host/etc/cni/net.d', path: '/etc/cni/net.d', type: 'DirectoryOrCreate' },
  { name: 'cni-host-procfs', mountPath: '/host/proc', path: '/proc', type: 'Directory', extra: { readOnly: true } },
  {
    name: 'cni-netns-dir',
    mountPath: '/host/var/run/netns',
    path: '/var/run/netns',
    type: 'DirectoryOrCreate',
    extra: { mountPropagation: 'HostToContainer' },
  },
  { name: 'cni-socket-dir', mountPath: '/var/run/istio-cni', path: '/var/run/istio-cni', type: 'DirectoryOrCreate' },
  { name: 'cni-ztunnel-sock-dir', mountPath: '/var/run/ztunnel', path: '/var/run/ztunnel', type: 'DirectoryOrCreate' },
];

function configMap(values: MeshValues): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio-cni-config', namespace: values.namespace, labels },
    data: {
      AMBIENT_ENABLED: 'true',
      AMBIENT_DNS_CAPTURE: String(values.cni.dnsCapture),
      AMBIENT_IPV6: String(values.cni.ipv6),
      AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: 'true',
      CHAINED_CNI_PLUGIN: 'true',
      CURRENT_AGENT_VERSION: values.tag,
      EXCLUDE_NAMESPACES: [values.namespace, ...values.cni.excludeNamespaces].join(','),
      LOG_LEVEL: values.logLevel,
      ...values.cni.env,
    },
  };
}

function roles(values: MeshValues): readonly KubernetesObject[] {
  const rules = [
    { apiGroups: [''], resources: ['pods', 'nodes', 'namespaces'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods/status'], verbs: ['patch', 'update'] },
    { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch'] },
    { apiGroups: ['apps'], resources: ['daemonsets'], resourceNames: ['istio-cni-node'], verbs: ['get'] },
  ];
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name: 'istio-cni', labels }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'istio-cni', labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'istio-cni' },
      subjects: [{ kind: 'ServiceAccount', name: 'istio-cni', namespace: values.namespace }],
    },
  ];
}

function container(values: MeshValues): object {
  return {
    name: 'install-cni',
    image: `${values.hub}/install-cni:${values.tag}`,
    args: [`--log_output_level=default:${values.logLevel}`],
    ports: [{ name: 'metrics', containerPort: 15014, protocol: 'TCP' }],
    readinessProbe: {
      httpGet: { path: '/readyz', port: 8000 },
      initialDelaySeconds: 0,
      periodSeconds: 1,
      failureThreshold: 60,
    },
    envFrom: [{ configMapRef: { name: 'istio-cni-config' } }],
    env: [
      envField('NODE_NAME', 'spec.nodeName'),
      envField('POD_NAME', 'metadata.name'),
      envField('POD_NAMESPACE', 'metadata.namespace'),
      ...envRecord(values.cni.shareHostNetworkNamespace ? {} : { ALLOW_SWITCH_TO_HOST_NS: 'true' }),
    ],
    resources: { requests: { cpu: '100m', memory: '100Mi' } },
    securityContext: {
      runAsUser: 0,
      runAsGroup: 0,
      runAsNonRoot: false,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW', 'SYS_PTRACE', 'SYS_ADMIN', 'DAC_OVERRIDE'] },
    },
    volumeMounts: hostPaths.map(({ name, mountPath, extra }) => ({ name, mountPath, ...extra })),
  };
}

/** The node agent: service account, role, settings and DaemonSet. */
export function renderCni(values: MeshValues): readonly KubernetesObject[] {
  const metadata = { name: 'istio-cni-node', namespace: values.namespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { ...metadata, name: 'istio-cni' } },
    ...roles(values),
    configMap(values),
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata,
      spec: {
        selector: { matchLabels: { 'k8s-app': 'istio-cni-node' } },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
        template: {
          metadata: {
            labels: { ...labels, 'sidecar.istio.io/inject': 'false', 'istio.io/dataplane-mode': 'none' },
            annotations: {
              'sidecar.istio.io/inject': 'false',
              'prometheus.io/port': '15014',
              'prometheus.io/scrape': 'true',
              'prometheus.io/path': '/metrics',
            },
          },
          spec: {
            nodeSelector: { 'kubernetes.io/os': 'linux' },
            serviceAccountName: 'istio-cni',
            tolerations: daemonTolerations,
            priorityClassName: 'system-node-critical',
            terminationGracePeriodSeconds: 30,
            ...(values.cni.shareHostNetworkNamespace
              ? { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' }
              : {}),
            containers: [container(values)],
            volumes: hostPaths.map(({ name, path, type }) => ({
              name,
              hostPath: { path, ...(type === undefined ? {} : { type }) },
            })),
          },
        },
      },
    },
  ];
}
