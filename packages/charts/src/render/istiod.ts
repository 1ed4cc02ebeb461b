// In: values. Out: the control plane's objects. Pure. Called by mesh.ts. Source: spec control-plane 7.2.
import type { KubernetesObject } from '@ambit/resources';
import type { MeshValues } from '../values.ts';
import { envField, envRecord, envValue, partOf, tokenVolume } from './parts.ts';

const labels = { ...partOf('pilot'), app: 'istiod', istio: 'pilot', 'istio.io/rev': 'default' };

const readVerbs = ['get', 'list', 'watch'];
const writeVerbs = [...readVerbs, 'create', 'update', 'patch', 'delete'];
const rule = (apiGroups: readonly string[], resources: readonly string[], verbs: readonly string[]): object => ({
  apiGroups,
  resources,
  verbs,
});

const clusterRules: readonly object[] = [
  rule(
    ['config.istio.io', 'security.istio.io', 'networking.istio.io', 'telemetry.istio.io', 'extensions.istio.io'],
    ['*'],
    readVerbs,
  ),
  rule(['networking.istio.io'], ['workloadentries', 'workloadentries/status', 'serviceentries/status'], writeVerbs),
  // Only ever as a dry run: whether the validating webhook refuses what it must refuse.
  rule(['networking.istio.io'], ['gateways'], ['create']),
  rule(
    ['admissionregistration.k8s.io'],
    ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'],
    ['get', 'list', 'watch', 'update', 'patch'],
  ),
  rule(['security.istio.io'], ['authorizationpolicies/status'], writeVerbs),
  rule([''], ['services/status'], writeVerbs),
  rule(['apiextensions.k8s.io'], ['customresourcedefinitions'], readVerbs),
  rule([''], ['pods', 'nodes', 'services', 'namespaces', 'endpoints', 'secrets'], readVerbs),
  rule(['discovery.k8s.io'], ['endpointslices'], readVerbs),
  rule([''], ['configmaps'], ['create', 'get', 'list', 'watch', 'update', 'patch']),
  rule(['authentication.k8s.io'], ['tokenreviews'], ['create']),
  rule(['authorization.k8s.io'], ['subjectaccessreviews'], ['create']),
  rule(['gateway.networking.k8s.io'], ['*'], readVerbs),
  rule(
    ['gateway.networking.k8s.io'],
    [
      'gatewayclasses/status',
      'gateways/status',
      'httproutes/status',
      'grpcroutes/status',
      'tcproutes/status',
      'tlsroutes/status',
    ],
    ['update', 'patch'],
  ),
  rule(['gateway.networking.k8s.io'], ['gatewayclasses'], ['create', 'update', 'patch', 'delete']),
  rule([''], ['events'], ['create', 'patch']),
];

const gatewayRules: readonly object[] = [
  rule(['apps'], ['deployments'], writeVerbs),
  rule(['autoscaling'], ['horizontalpodautoscalers'], writeVerbs),
  rule(['policy'], ['poddisruptionbudgets'], writeVerbs),
  rule([''], ['services', 'serviceaccounts'], writeVerbs),
];

const namespaceRules: readonly object[] = [
  rule([''], ['secrets'], ['create', 'get', 'watch', 'list', 'update', 'delete']),
  rule([''], ['configmaps'], ['delete']),
  rule(['coordination.k8s.io'], ['leases'], ['get', 'update', 'patch', 'create']),
];

const meshConfig = (values: MeshValues): string =>
  [
    `trustDomain: ${values.trustDomain}`,
    `rootNamespace: ${values.namespace}`,
    'accessLogFile: /dev/stdout',
    'defaultConfig:',
    `  discoveryAddress: istiod.${values.namespace}.svc:15012`,
    '',
  ].join('\n');

function roles(values: MeshValues): readonly KubernetesObject[] {
  const subject = { kind: 'ServiceAccount', name: 'istiod', namespace: values.namespace };
  const pair = (name: string, rules: readonly object[]): readonly KubernetesObject[] => [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name, labels }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [subject],
    },
  ];
  const metadata = { name: 'istiod', namespace: values.namespace, labels };
  return [
    ...pair(`istiod-clusterrole-${values.namespace}`, clusterRules),
    ...pair(`istiod-gateway-controller-${values.namespace}`, gatewayRules),
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: namespaceRules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'istiod' },
      subjects: [subject],
    },
  ];
}

function container(values: MeshValues): object {
  return {
    name: 'discovery',
    image: `${values.hub}/pilot:${values.tag}`,
    args: [
      'discovery',
      '--monitoringAddr=:15014',
      `--log_output_level=default:${values.logLevel}`,
      '--domain',
      values.clusterDomain,
      '--keepaliveMaxServerConnectionAge',
      '30m',
    ],
    ports: [8080, 15010, 15012, 15017, 15014].map((containerPort) => ({ containerPort, protocol: 'TCP' })),
    readinessProbe: {
      httpGet: { path: '/ready', port: 8080 },
      initialDelaySeconds: 0,
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 60,
    },
    env: [
      envValue('REVISION', 'default'),
      envValue('PILOT_CERT_PROVIDER', 'istiod'),
      envField('POD_NAME', 'metadata.name'),
      envField('POD_NAMESPACE', 'metadata.namespace'),
      envField('SERVICE_ACCOUNT', 'spec.serviceAccountName'),
      envValue('CLUSTER_ID', values.clusterId),
      envValue('CA_TRUSTED_NODE_ACCOUNTS', `${values.namespace}/ztunnel`),
      envValue('AMBIT_PROXY_IMAGE', `${values.hub}/proxyv2:${values.tag}`),
      ...envRecord(values.pilot.env),
    ],
    resources: { requests: { cpu: '500m', memory: '2048Mi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'istio-token', mountPath: '/var/run/secrets/tokens', readOnly: true },
      { name: 'local-certs', mountPath: '/var/run/secrets/istio-dns' },
      { name: 'cacerts', mountPath: '/etc/cacerts', readOnly: true },
    ],
  };
}

/** The control plane: service account, roles, mesh configuration, Deployment and Service. */
export function renderIstiod(values: MeshValues): readonly KubernetesObject[] {
  const metadata = { name: 'istiod', namespace: values.namespace, labels };
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    ...roles(values),
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...metadata, name: 'istio' },
      data: { mesh: meshConfig(values), meshNetworks: 'networks: {}\n' },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        ports: [
          { name: 'grpc-xds', port: 15010, protocol: 'TCP' },
          { name: 'https-dns', port: 15012, protocol: 'TCP' },
          { name: 'https-webhook', port: 443, targetPort: 15017, protocol: 'TCP' },
          { name: 'http-monitoring', port: 15014, protocol: 'TCP' },
        ],
        selector: { app: 'istiod', istio: 'pilot' },
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: 1,
        selector: { matchLabels: { istio: 'pilot' } },
        strategy: { rollingUpdate: { maxSurge: '100%', maxUnavailable: '25%' } },
        template: {
          metadata: {
            labels: { ...labels, 'sidecar.istio.io/inject': 'false', 'istio.io/dataplane-mode': 'none' },
            annotations: {
              'prometheus.io/port': '15014',
              'prometheus.io/scrape': 'true',
              'sidecar.istio.io/inject': 'false',
            },
          },
          spec: {
            serviceAccountName: 'istiod',
            tolerations: [{ key: 'cni.istio.io/not-ready', operator: 'Exists' }],
            containers: [container(values)],
            volumes: [
              tokenVolume,
              { name: 'local-certs', emptyDir: { medium: 'Memory' } },
              { name: 'cacerts', secret: { secretName: 'cacerts', optional: true } },
            ],
          },
        },
      },
    },
  ];
}
