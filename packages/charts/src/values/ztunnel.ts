// Values of the chart `ztunnel`: the node proxy.
import Type from 'typebox';
import {
  commonFields,
  count,
  everywhere,
  flag,
  globalFields,
  group,
  imageFields,
  list,
  map,
  text,
  texts,
  words,
} from './fields.ts';

const ztunnelFields = {
  readiness: group(
    { periodSeconds: count(0, 'Seconds between questions; 0 = what Kubernetes does.') },
    'Readiness probe.',
  ),
  ...imageFields('ztunnel'),
  network: text('', 'Network of the pods of this cluster; empty = global.network.'),
  resourceName: text('', 'Name of the objects; empty = ztunnel. The control plane must trust it (trustedZtunnelName).'),
  labels: texts({}, 'Labels of all objects.'),
  annotations: texts({}, 'Annotations of all objects.'),
  volumes: list([], 'Further volumes.'),
  volumeMounts: list([], 'Further mounts.'),
  nodeSelector: texts({}, 'Further conditions on nodes.'),
  affinity: map({}, 'Affinity.'),
  tolerations: list(everywhere, 'Tolerations.'),
  podAnnotations: texts({ 'prometheus.io/port': '15020', 'prometheus.io/scrape': 'true' }, 'Annotations of pods.'),
  podLabels: texts({}, 'Further labels of pods.'),
  resources: map({ requests: { cpu: '200m', memory: '512Mi' } }, 'Resources.'),
  resourceQuotas: group(
    {
      enabled: flag(false, 'Install a quota that admits system-node-critical pods.'),
      pods: count(5000, 'Pods of the quota.'),
    },
    'Quota.',
  ),
  updateStrategy: map(
    { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
    'Update strategy of the DaemonSet: the new proxy is ready before the old one is asked to stop.',
  ),
  terminationGracePeriodSeconds: count(30, 'Seconds that a replaced node proxy may keep serving its connections.'),
  peerCaCrl: group(
    { enabled: flag(false, 'Refuse certificates of the list in ConfigMap istio-ca-crl.') },
    'Revocation.',
  ),
  imagePullSecrets: words([], 'Secrets with which images are pulled.'),
  imagePullPolicy: text('', 'Pull policy; empty = global.imagePullPolicy.'),
  env: texts({}, 'Environment variables.'),
  multiCluster: group(
    { clusterName: text('', 'Name of this cluster; empty = global.multiCluster.clusterName, else Kubernetes.') },
    'Several clusters.',
  ),
  meshConfig: map(
    { defaultConfig: { proxyMetadata: { ISTIO_META_ENABLE_HBONE: 'true' } } },
    'Of the mesh configuration only defaultConfig.proxyMetadata is used: environment variables.',
  ),
  caAddress: text('', 'Address of the certificate authority; empty = the control plane.'),
  xdsAddress: text('', 'Address of the control plane; empty = istiod of the revision.'),
  istioNamespace: text('', 'Namespace of the control plane; empty = global.istioNamespace.'),
  logLevel: text('', 'Log level: LEVEL, or SCOPE=LEVEL separated by commas; empty = that of global.logging.level.'),
  logAsJson: flag(false, 'Logs as JSON.'),
  seLinuxOptions: map({}, 'SELinux options.'),
  dnsPolicy: text('', 'DNS policy of pods.'),
  dnsConfig: map({}, 'DNS settings of pods.'),
  resourceScope: text('', 'As global.resourceScope; empty = that.'),
} as const;

/** Schema of the chart's values. `ztunnel.x` and `x` mean the same; `ztunnel.x` wins. */
export const ztunnelValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    ...ztunnelFields,
    ztunnel: Type.Optional(
      Type.Object(
        { ...ztunnelFields, enabled: flag(true, 'Kept for existing files; no effect.') },
        { additionalProperties: false, description: 'The same fields once more, as existing files have them.' },
      ),
    ),
  },
  { additionalProperties: false },
);
