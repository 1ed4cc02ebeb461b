// A waypoint Gateway -> the objects that run it (spec control-plane 6.3). In: the Gateway and settings. Out: ServiceAccount,
// Deployment, Service, and the scalers that only an overlay brings to life. Pure; called by deployer.ts.
import type { Gateway, KubernetesObject, Service } from '@ambit/resources';
import type { WaypointValues } from './waypoint-values.ts';

/** What the objects depend on besides the Gateway. */
export interface RenderSettings {
  readonly image: string;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly clusterId: string;
  readonly domain: string;
  readonly trustDomain: string;
  readonly meshId: string;
  readonly network: string;
  /** Text for the proxy's log level. */
  readonly logLevel: string;
  /** Chart values. */
  readonly values: WaypointValues;
}

type Labels = Record<string, string>;

const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
const MANAGED = 'istio.io-mesh-controller';
/** Annotations that steer us and are not copied. */
const OWN_ANNOTATIONS = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'gateway.istio.io/name-override',
  'gateway.istio.io/service-account',
  'gateway.istio.io/controller-version',
]);

/** Names of the objects of a Gateway. */
export function namesOf({ metadata }: Gateway): { deployment: string; serviceAccount: string } {
  const deployment = metadata.annotations?.['gateway.istio.io/name-override'] ?? metadata.name ?? '';
  return { deployment, serviceAccount: metadata.annotations?.['gateway.istio.io/service-account'] ?? deployment };
}

/** The objects of a waypoint, in the order in which they are applied. */
export function renderWaypoint(gateway: Gateway, settings: RenderSettings): KubernetesObject[] {
  const { deployment, serviceAccount } = namesOf(gateway);
  const base = (name: string): { name: string; namespace: string; labels: Labels; ownerReferences: object[] } => ({
    name,
    namespace: gateway.metadata.namespace ?? '',
    labels: labelsOf(gateway, settings),
    ownerReferences: [
      {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'Gateway',
        name: gateway.metadata.name ?? '',
        uid: gateway.metadata.uid ?? '',
      },
    ],
  });
  const annotations = annotationsOf(gateway);
  const withAnnotations = (extra: Labels = {}): { annotations?: Labels } => {
    const all = { ...annotations, ...extra };
    return Object.keys(all).length === 0 ? {} : { annotations: all };
  };
  return [
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { ...base(serviceAccount), ...withAnnotations() } as KubernetesObject['metadata'] & {},
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...base(deployment), ...withAnnotations() } as KubernetesObject['metadata'] & {},
      spec: deploymentSpec(gateway, settings, deployment, serviceAccount),
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        ...base(deployment),
        ...withAnnotations({ 'networking.istio.io/traffic-distribution': 'PreferClose' }),
      } as KubernetesObject['metadata'] & {},
      spec: serviceSpec(gateway),
    },
    {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { ...base(deployment), ...withAnnotations() } as KubernetesObject['metadata'] & {},
      spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: deployment }, maxReplicas: 1 },
    },
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { ...base(deployment), ...withAnnotations() } as KubernetesObject['metadata'] & {},
      spec: { selector: { matchLabels: { [GATEWAY_NAME]: gateway.metadata.name ?? '' } } },
    },
  ];
}

function labelsOf(gateway: Gateway, settings: RenderSettings): Labels {
  const { infrastructure, gatewayClassName = '' } = gateway.spec ?? {};
  const given = infrastructure?.labels ?? gateway.metadata.labels ?? {};
  const copied = Object.entries(given).filter(([key]) => !key.startsWith('gateway.networking.k8s.io/'));
  return {
    ...(settings.network !== '' && { 'topology.istio.io/network': settings.network }),
    ...Object.fromEntries(copied),
    'gateway.istio.io/managed': MANAGED,
    'gateway.networking.k8s.io/gateway-class-name': gatewayClassName,
    [GATEWAY_NAME]: gateway.metadata.name ?? '',
  };
}

function annotationsOf(gateway: Gateway): Labels {
  const given = gateway.spec?.infrastructure?.annotations ?? gateway.metadata.annotations ?? {};
  return Object.fromEntries(Object.entries(given).filter(([key]) => !OWN_ANNOTATIONS.has(key)));
}

function serviceSpec(gateway: Gateway): NonNullable<Service['spec']> {
  const type = gateway.metadata.annotations?.['networking.istio.io/service-type'] ?? 'ClusterIP';
  const ports = [{ name: 'status-port', port: 15021, protocol: 'TCP', appProtocol: 'tcp' }];
  const names = new Set(['status-port']);
  const taken = new Set([15021]);
  for (const { name, port, protocol } of gateway.spec?.listeners ?? []) {
    if (taken.has(port)) continue;
    taken.add(port);
    const clean = name.replaceAll('.', '-').slice(0, 63);
    const unique = names.has(clean) ? `${clean.slice(0, 57)}-${port}` : clean;
    names.add(unique);
    ports.push({ name: unique, port, protocol: 'TCP', appProtocol: protocol.toLowerCase() });
  }
  const address = gateway.spec?.addresses?.[0]?.value;
  return {
    type,
    ipFamilyPolicy: 'PreferDualStack',
    selector: { [GATEWAY_NAME]: gateway.metadata.name ?? '' },
    ports,
    ...(type === 'LoadBalancer' && address !== undefined && { loadBalancerIP: address }),
  };
}

function deploymentSpec(gateway: Gateway, settings: RenderSettings, name: string, serviceAccount: string): object {
  const selector = { [GATEWAY_NAME]: gateway.metadata.name ?? '' };
  const secrets = settings.values.imagePullSecrets.map((secret) => ({ name: secret }));
  return {
    selector: { matchLabels: selector },
    template: {
      metadata: {
        labels: {
          ...labelsOf(gateway, settings),
          'sidecar.istio.io/inject': 'false',
          'istio.io/dataplane-mode': 'none',
          'service.istio.io/canonical-name': name,
          'service.istio.io/canonical-revision': 'latest',
        },
        annotations: {
          ...annotationsOf(gateway),
          'istio.io/rev': settings.revision === '' ? 'default' : settings.revision,
          'prometheus.io/path': '/stats/prometheus',
          'prometheus.io/port': '15020',
          'prometheus.io/scrape': 'true',
        },
      },
      spec: {
        serviceAccountName: serviceAccount,
        containers: [container(gateway, settings, name, serviceAccount)],
        volumes,
        ...settings.values.scheduling,
        ...(secrets.length > 0 && { imagePullSecrets: secrets }),
      },
    },
  };
}

function container(gateway: Gateway, settings: RenderSettings, name: string, serviceAccount: string): object {
  const { domain, logLevel, image } = settings;
  const port = (portName: string, containerPort: number): object => ({
    name: portName,
    containerPort,
    protocol: 'TCP',
  });
  const ready = {
    httpGet: { path: '/healthz/ready', port: 15021, scheme: 'HTTP' },
    successThreshold: 1,
    timeoutSeconds: 1,
  };
  return {
    name: 'istio-proxy',
    image: gateway.metadata.annotations?.['sidecar.istio.io/proxyImage'] ?? image,
    args: [
      'proxy',
      'waypoint',
      '--domain',
      `$(POD_NAMESPACE).svc.${domain}`,
      '--serviceCluster',
      `${serviceAccount}.$(POD_NAMESPACE)`,
      '--proxyLogLevel',
      'warning',
      '--proxyComponentLogLevel',
      'misc:error',
      '--log_output_level',
      `default:${logLevel}`,
    ],
    ports: [port('metrics', 15020), port('status-port', 15021), port('http-envoy-prom', 15090)],
    env: environmentOf(gateway, settings, name),
    resources: settings.values.resources,
    startupProbe: { ...ready, initialDelaySeconds: 1, periodSeconds: 1, failureThreshold: 30 },
    readinessProbe: { ...ready, initialDelaySeconds: 0, periodSeconds: 15, failureThreshold: 4 },
    securityContext: {
      privileged: false,
      runAsGroup: 1337,
      runAsUser: 1337,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      mount('workload-socket', '/var/run/secrets/workload-spiffe-uds'),
      mount('istiod-ca-cert', '/var/run/secrets/istio'),
      mount('istio-data', '/var/lib/istio/data'),
      mount('istio-envoy', '/etc/istio/proxy'),
      mount('istio-token', '/var/run/secrets/tokens'),
      mount('istio-podinfo', '/etc/istio/pod'),
    ],
  };
}

const mount = (name: string, mountPath: string): object => ({ name, mountPath });

function environmentOf(gateway: Gateway, settings: RenderSettings, name: string): object[] {
  const namespace = gateway.metadata.namespace ?? '';
  const { revision, systemNamespace, clusterId, network, meshId, trustDomain } = settings;
  const suffix = revision === '' || revision === 'default' ? '' : `-${revision}`;
  const field = (variable: string, fieldPath: string): object => ({
    name: variable,
    valueFrom: { fieldRef: { fieldPath } },
  });
  const limit = (variable: string, resource: string): object => ({
    name: variable,
    valueFrom: { resourceFieldRef: { resource } },
  });
  const value = (variable: string, text: string): object => ({ name: variable, value: text });
  return [
    field('ISTIO_META_SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('ISTIO_META_NODE_NAME', 'spec.nodeName'),
    value('PILOT_CERT_PROVIDER', 'istiod'),
    value('CA_ADDR', `istiod${suffix}.${systemNamespace}.svc:15012`),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('INSTANCE_IP', 'status.podIP'),
    field('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
    field('HOST_IP', 'status.hostIP'),
    limit('ISTIO_CPU_LIMIT', 'limits.cpu'),
    value('PROXY_CONFIG', '{}'),
    limit('GOMEMLIMIT', 'limits.memory'),
    value('ISTIO_META_CLUSTER_ID', clusterId),
    ...(network === '' ? [] : [value('ISTIO_META_NETWORK', network)]),
    value('ISTIO_META_INTERCEPTION_MODE', 'REDIRECT'),
    value('ISTIO_META_WORKLOAD_NAME', name),
    value('ISTIO_META_OWNER', `kubernetes://apis/apps/v1/namespaces/${namespace}/deployments/${name}`),
    value('ISTIO_META_MESH_ID', meshId),
    value('TRUST_DOMAIN', trustDomain),
  ];
}

const volumes: readonly object[] = [
  { name: 'workload-socket', emptyDir: {} },
  { name: 'istio-envoy', emptyDir: { medium: 'Memory' } },
  { name: 'go-proxy-envoy', emptyDir: { medium: 'Memory' } },
  { name: 'istio-data', emptyDir: {} },
  { name: 'go-proxy-data', emptyDir: {} },
  {
    name: 'istio-podinfo',
    downwardAPI: {
      items: [
        { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
        { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' } },
      ],
    },
  },
  {
    name: 'istio-token',
    projected: {
      sources: [{ serviceAccountToken: { path: 'istio-token', expirationSeconds: 43_200, audience: 'istio-ca' } }],
    },
  },
  { name: 'istiod-ca-cert', configMap: { name: 'istio-ca-root-cert' } },
];
