// In: values. Out: the node proxy's objects. Pure. Called by mesh.ts. Source: spec control-plane 7.3.
import type { KubernetesObject } from '@ambit/resources';
import type { MeshValues } from '../values.ts';
import {
  controlPlaneAddress,
  daemonTolerations,
  envField,
  envRecord,
  envValue,
  partOf,
  rootCertVolume,
  tokenVolume,
} from './parts.ts';

const labels = { ...partOf('ztunnel'), app: 'ztunnel' };

function container(values: MeshValues): object {
  const address = controlPlaneAddress(values);
  return {
    name: 'istio-proxy',
    image: `${values.hub}/ztunnel:${values.tag}`,
    args: ['proxy', 'ztunnel'],
    ports: [{ name: 'ztunnel-stats', containerPort: 15020, protocol: 'TCP' }],
    readinessProbe: {
      httpGet: { path: '/healthz/ready', port: 15021 },
      initialDelaySeconds: 0,
      periodSeconds: 1,
      failureThreshold: 60,
    },
    env: [
      envValue('CA_ADDRESS', address),
      envValue('XDS_ADDRESS', address),
      ...(values.network === '' ? [] : [envValue('NETWORK', values.network)]),
      envValue('RUST_LOG', values.logLevel),
      envValue('RUST_BACKTRACE', '1'),
      envValue('ISTIO_META_CLUSTER_ID', values.clusterId),
      envValue('TRUST_DOMAIN', values.trustDomain),
      envValue('INPOD_ENABLED', 'true'),
      envValue('TERMINATION_GRACE_PERIOD_SECONDS', String(values.ztunnel.terminationGracePeriodSeconds)),
      envField('POD_NAME', 'metadata.name'),
      envField('POD_NAMESPACE', 'metadata.namespace'),
      envField('NODE_NAME', 'spec.nodeName'),
      envField('INSTANCE_IP', 'status.podIP'),
      envField('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      envValue('ISTIO_META_ENABLE_HBONE', 'true'),
      ...envRecord(values.ztunnel.env),
    ],
    resources: { requests: { cpu: '200m', memory: '512Mi' } },
    securityContext: {
      allowPrivilegeEscalation: true,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'SYS_ADMIN', 'NET_RAW'] },
      readOnlyRootFilesystem: true,
      runAsGroup: 1337,
      runAsNonRoot: false,
      runAsUser: 0,
    },
    volumeMounts: [
      { name: 'istiod-ca-cert', mountPath: '/var/run/secrets/istio' },
      { name: 'istio-token', mountPath: '/var/run/secrets/tokens' },
      { name: 'cni-ztunnel-sock-dir', mountPath: '/var/run/ztunnel' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

/** The node proxy: service account and DaemonSet; a new pod is ready before the old one is asked to stop. */
export function renderZtunnel(values: MeshValues): readonly KubernetesObject[] {
  const metadata = { name: 'ztunnel', namespace: values.namespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata,
      spec: {
        selector: { matchLabels: { app: 'ztunnel' } },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
        template: {
          metadata: {
            labels: { ...labels, 'sidecar.istio.io/inject': 'false', 'istio.io/dataplane-mode': 'none' },
            annotations: {
              'sidecar.istio.io/inject': 'false',
              'prometheus.io/port': '15020',
              'prometheus.io/scrape': 'true',
            },
          },
          spec: {
            nodeSelector: { 'kubernetes.io/os': 'linux' },
            serviceAccountName: 'ztunnel',
            tolerations: daemonTolerations,
            priorityClassName: 'system-node-critical',
            terminationGracePeriodSeconds: values.ztunnel.terminationGracePeriodSeconds,
            containers: [container(values)],
            volumes: [
              tokenVolume,
              rootCertVolume,
              { name: 'cni-ztunnel-sock-dir', hostPath: { path: '/var/run/ztunnel', type: 'DirectoryOrCreate' } },
              { name: 'tmp', emptyDir: {} },
            ],
          },
        },
      },
    },
  ];
}
