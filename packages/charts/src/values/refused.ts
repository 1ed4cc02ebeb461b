// Values of upstream's charts that ours refuse, with the reason (INS-1). Data only; read by check-values.ts. A path stands for everything
// below it. Values that are accepted without effect say so in their description.
import type { ChartName } from './index.ts';

const SIDECARS = 'there are no sidecars';
const PODS =
  'the chart makes a Gateway, whose pods the control plane deploys: use gatewayClasses of istiod, or infrastructure.parametersRef';
const OWN_NETWORK = 'ports of an east-west gateway are fixed: 15008 and 15012';

/** Fields of `global` that no chart of ours has. */
const ofAll: Readonly<Record<string, string>> = {
  'global.certSigners': 'the control plane signs, or what env.EXTERNAL_CA names',
  'global.configCluster':
    'the control plane reads the cluster that it runs in; other clusters by Secrets (ambit create-remote-secret)',
  'global.configValidation': 'validation is always on; resourceScope leaves the webhook out',
  'global.defaultResources': 'each component has resources of its own',
  'global.enableReaderRBAC': 'the reader account is always there; resourceScope leaves it out',
  'global.externalIstiod': 'the control plane runs in the cluster of its Gateways',
  'global.meshNetworks': 'meshNetworks, at the root of istiod',
  'global.mountMtlsCerts': SIDECARS,
  'global.omitSidecarInjectorConfigMap': 'tools look for that ConfigMap; it is small',
  'global.operatorManageWebhooks': 'the control plane keeps its webhooks',
  'global.pilotCertProvider': 'the control plane issues its own certificate; with ENABLE_CA_SERVER=false it is mounted',
  'global.remotePilotAddress': 'node proxies of another cluster: xdsAddress and caAddress of ztunnel',
  'global.sds': 'tokens have the audience istio-ca',
  'global.sts': SIDECARS,
  'global.caName': 'caAddress of ztunnel names another authority',
};

/** By chart and path. */
export const refusedValues: Readonly<Record<ChartName, Readonly<Record<string, string>>>> = {
  base: {
    ...ofAll,
    'base.validationCABundle': 'the control plane writes the bundle of its own webhook',
    experimental: 'admission policies are not rendered; the validation webhook is',
  },
  istiod: {
    ...ofAll,
    initContainers: 'the image starts by itself',
    gateways: PODS,
    pdb: 'global.defaultPodDisruptionBudget',
  },
  cni: ofAll,
  ztunnel: ofAll,
  gateway: {
    ...ofAll,
    kind: PODS,
    rbac: PODS,
    securityContext: PODS,
    containerSecurityContext: PODS,
    env: PODS,
    envVarFrom: PODS,
    strategy: PODS,
    minReadySeconds: PODS,
    readinessProbe: PODS,
    imagePullPolicy: PODS,
    imagePullSecrets: PODS,
    dnsPolicy: PODS,
    dnsConfig: PODS,
    volumes: PODS,
    volumeMounts: PODS,
    initContainers: PODS,
    additionalContainers: PODS,
    lifecycle: PODS,
    networkGatewayPorts: OWN_NETWORK,
    'service.clusterIP': PODS,
    'service.selectorLabels': PODS,
    'service.healthCheckNodePort': PODS,
    'serviceAccount.create': PODS,
    'serviceAccount.name': PODS,
    'autoscaling.targetMemoryUtilizationPercentage': 'scaled by CPU',
  },
};
