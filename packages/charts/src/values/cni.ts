// Values of the chart `cni`: the node agent.
import Type from 'typebox';
import {
  choice,
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
  word,
  words,
} from './fields.ts';

const cniFields = {
  readiness: group(
    { periodSeconds: count(0, 'Seconds between questions; 0 = what Kubernetes does.') },
    'Readiness probe.',
  ),
  ...imageFields('install-cni'),
  pullPolicy: text('', 'Pull policy; empty = global.imagePullPolicy.'),
  logging: group({ level: text('', 'Log level; empty = global.logging.level.') }, 'Logs.'),
  cniBinDir: text('/opt/cni/bin', 'Folder of the node with CNI plugins.'),
  cniConfDir: text('/etc/cni/net.d', 'Folder of the node with CNI settings.'),
  cniConfFileName: text('', 'Settings file to extend; empty = the first one.'),
  cniNetnsDir: text('/var/run/netns', 'Folder of the node with network namespaces.'),
  istioOwnedCNIConfig: flag(false, 'Write a settings file of our own instead of extending one.'),
  istioOwnedCNIConfigFileName: text('', 'Its name; empty = 02-istio-cni.conflist.'),
  chained: flag(true, 'Run as one of a chain of plugins.'),
  provider: choice(['default', 'multus'], 'default', 'Who calls the plugin.'),
  excludeNamespaces: words(['kube-system'], 'Namespaces whose pods are never captured.'),
  ambient: group(
    {
      enabled: flag(true, 'Capture pods.'),
      enablementSelectors: list(
        [
          { podSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } } },
          {
            podSelector: {
              matchExpressions: [{ key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] }],
            },
            namespaceSelector: { matchLabels: { 'istio.io/dataplane-mode': 'ambient' } },
          },
        ],
        'Which pods are captured: any of these.',
      ),
      configDir: text('', 'Kept for existing files; no effect.'),
      dnsCapture: flag(true, 'Answer the DNS queries of captured pods.'),
      ipv6: flag(true, 'Capture IPv6 too.'),
      reconcileIptablesOnStartup: flag(true, 'Compare rules of pods with what they should be at every start.'),
      shareHostNetworkNamespace: flag(false, 'Run in the network namespace of the node.'),
      enableAmbientDetectionRetry: flag(false, 'Ask again when it cannot be decided whether a pod is to be captured.'),
    },
    'Capture.',
  ),
  repair: group(
    {
      enabled: flag(true, 'Repair pods that started before the node agent was ready.'),
      hub: text('', 'Kept for existing files; no effect.'),
      tag: word('', 'Kept for existing files; no effect.'),
      labelPods: flag(false, 'Label them.'),
      deletePods: flag(false, 'Delete them.'),
      repairPods: flag(true, 'Set their networking up.'),
      initContainerName: text('istio-validation', 'Container whose failure shows it.'),
      brokenPodLabelKey: text('cni.istio.io/uninitialized', 'Label.'),
      brokenPodLabelValue: text('true', 'Its value.'),
    },
    'Repair of pods.',
  ),
  affinity: map({}, 'Affinity.'),
  nodeSelector: texts({}, 'Further conditions on nodes.'),
  tolerations: list(everywhere, 'Tolerations.'),
  daemonSetLabels: texts({}, 'Further labels of the DaemonSet.'),
  podAnnotations: texts({}, 'Further annotations of pods.'),
  podLabels: texts({}, 'Further labels of pods.'),
  seccompProfile: map({}, 'Seccomp profile.'),
  seLinuxOptions: map({}, 'SELinux options.'),
  useAppArmorAnnotation: flag(true, 'Say AppArmor unconfined by annotation, for Kubernetes before 1.30.'),
  resources: map({ requests: { cpu: '100m', memory: '100Mi' } }, 'Resources.'),
  resourceQuotas: group(
    {
      enabled: flag(false, 'Install a quota that admits system-node-critical pods.'),
      pods: count(5000, 'Pods of the quota.'),
    },
    'Quota.',
  ),
  updateStrategy: map(
    { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
    'Update strategy of the DaemonSet.',
  ),
  terminationGracePeriodSeconds: count(30, 'Seconds that a pod gets to end.'),
  env: texts({}, 'Environment variables.'),
} as const;

/** Schema of the chart's values. `cni.x` and `x` mean the same; `cni.x` wins. */
export const cniValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    ...cniFields,
    cni: Type.Optional(
      Type.Object(
        { ...cniFields, enabled: flag(true, 'Kept for existing files; no effect.') },
        { additionalProperties: false, description: 'The same fields once more, as existing files have them.' },
      ),
    ),
  },
  { additionalProperties: false },
);
