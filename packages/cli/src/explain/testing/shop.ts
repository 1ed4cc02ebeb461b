// A small mesh for tests of what decides about connections.
import type { KubernetesObject } from '@ambit/resources';

const pod = (name: string, ip: string, labels: Record<string, string> = { app: name }): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', uid: name, labels, annotations: { 'ambient.istio.io/redirection': 'enabled' } },
  spec: { nodeName: 'n1', serviceAccountName: name, containers: [{ name: 'c', image: 'x' }] },
  status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: [{ type: 'Ready', status: 'True' }] },
});

/** Namespace shop in the mesh: pods client, other and web, and service web before the last. */
export const shopObjects: readonly KubernetesObject[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { 'istio.io/dataplane-mode': 'ambient' } } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'istio-system' } },
  { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } },
  pod('client', '10.0.0.1'),
  pod('other', '10.0.0.2'),
  pod('web', '10.0.0.3'),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      clusterIP: '10.96.0.1',
      clusterIPs: ['10.96.0.1'],
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-1', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [
      {
        addresses: ['10.0.0.3'],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: 'web', namespace: 'shop', uid: 'web' },
      },
    ],
  },
] as readonly KubernetesObject[];

/** A policy at web for whoever has a service account. */
export const policyFor = (principal: string, action = 'ALLOW'): KubernetesObject => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'web', namespace: 'shop' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    action,
    rules: [{ from: [{ source: { principals: [`cluster.local/ns/shop/sa/${principal}`] } }] }],
  },
});
