// Values of the chart `istiod`: the control plane.
import Type from 'typebox';
import {
  commonFields,
  count,
  flag,
  globalFields,
  group,
  imageFields,
  list,
  map,
  share,
  text,
  texts,
  words,
} from './fields.ts';

const pilotFields = {
  readiness: group(
    {
      initialDelaySeconds: count(1, 'Seconds before the first question.'),
      periodSeconds: count(3, 'Seconds between questions.', 1),
    },
    'Readiness probe.',
  ),
  ...imageFields('pilot', ' of the control plane'),
  autoscaleEnabled: flag(true, 'Scale with the CPU use.'),
  autoscaleMin: count(1, 'Fewest replicas.', 1),
  autoscaleMax: count(5, 'Most replicas.', 1),
  autoscaleBehavior: map({}, 'Behaviour of the autoscaler.'),
  replicaCount: count(1, 'Replicas when not scaled.'),
  rollingMaxSurge: share('100%', 'Surge of a rollout.'),
  rollingMaxUnavailable: share('25%', 'Missing pods during a rollout.'),
  cpu: group(
    { targetAverageUtilization: count(80, 'Percent of the requested CPU at which replicas are added.', 1) },
    'CPU.',
  ),
  memory: map({}, 'Memory target of the autoscaler: targetAverageUtilization.'),
  resources: map({ requests: { cpu: '500m', memory: '2048Mi' } }, 'Resources of the control plane.'),
  env: texts({}, 'Environment variables of the control plane.'),
  envVarFrom: list([], 'Environment variables with valueFrom.'),
  extraContainerArgs: words([], 'Further arguments.'),
  clusterDomain: text('cluster.local', 'DNS domain of the cluster.'),
  traceSampling: Type.Optional(
    Type.Number({
      default: 1,
      minimum: 0,
      maximum: 100,
      description: 'Percent of requests that are traced when nothing else says so.',
    }),
  ),
  keepaliveMaxServerConnectionAge: text('30m', 'Age at which proxies are asked to connect anew.'),
  configMap: flag(true, 'Install the ConfigMap with the mesh configuration.'),
  taint: group(
    {
      enabled: flag(false, 'Remove a taint from nodes whose node agent is ready.'),
      namespace: text('', 'Namespace of the node agents; empty = own.'),
      name: text('cni.istio.io/not-ready', 'Name of the taint.'),
    },
    'Taint of new nodes.',
  ),
  cni: group(
    {
      enabled: flag(false, 'Kept for existing files; no effect.'),
      provider: text('default', 'Kept for existing files; no effect.'),
    },
    'CNI as sidecars saw it.',
  ),
  affinity: map({}, 'Affinity.'),
  tolerations: list([], 'Further tolerations.'),
  nodeSelector: texts({}, 'Nodes.'),
  topologySpreadConstraints: list([], 'Spread.'),
  seccompProfile: map({}, 'Seccomp profile of the container.'),
  podLabels: texts({}, 'Further labels of pods.'),
  podAnnotations: texts({}, 'Further annotations of pods.'),
  deploymentLabels: texts({}, 'Further labels of the Deployment.'),
  deploymentAnnotations: texts({}, 'Further annotations of the Deployment.'),
  serviceAnnotations: texts({}, 'Annotations of the Service.'),
  serviceAccountAnnotations: texts({}, 'Annotations of the service account.'),
  volumes: list([], 'Further volumes.'),
  volumeMounts: list([], 'Further mounts.'),
  ipFamilyPolicy: text('', 'Families of the Service.'),
  ipFamilies: words([], 'Families of the Service.'),
  trustedZtunnelNamespace: text('', 'Namespace of the node proxies; empty = own.'),
  trustedZtunnelName: text('', 'Service account of the node proxies; empty = ztunnel.'),
  terminationMessagePolicy: text('', 'Where Kubernetes takes the last words of a container from.'),
  jwksResolverExtraRootCA: text('', 'Further roots for key set servers, PEM.'),
} as const;

/** Schema of the chart's values. `pilot.x` and `x` mean the same; `pilot.x` wins. */
export const istiodValues = Type.Object(
  {
    ...commonFields,
    global: globalFields,
    ...pilotFields,
    revisionTags: words([], 'Tags that point at this revision.'),
    meshConfig: map({ enablePrometheusMerge: true, accessLogFile: '' }, 'The mesh configuration, as users know it.'),
    meshNetworks: map({}, 'Networks of the mesh.'),
    gatewayClasses: map(
      {},
      'Overlays of Gateways by class: deployment, service, horizontalPodAutoscaler, podDisruptionBudget, serviceAccount.',
    ),
    experimental: map({}, 'Kept for existing files; no effect.'),
    telemetry: map({}, 'Kept for existing files; metrics are always on.'),
    sidecarInjectorWebhook: map({}, 'Sidecar settings of existing files; there are no sidecars, no effect.'),
    sidecarInjectorWebhookAnnotations: texts({}, 'Annotations of the injector webhook.'),
    istiodRemote: map({}, 'Kept for existing files; no effect.'),
    base: map({}, 'Values of another chart, as IstioOperator files have them; no effect.'),
    pilot: Type.Optional(
      Type.Object(
        { ...pilotFields, enabled: flag(true, 'Kept for existing files; no effect.') },
        { additionalProperties: false, description: 'The same fields once more, as existing files have them.' },
      ),
    ),
  },
  { additionalProperties: false },
);
