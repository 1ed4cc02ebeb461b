/** Roles and bindings every cluster starts with. Written once by the API server when they are missing. Pure data. */

import type { KubeObject } from '../store/kube-object.ts';

const apiVersion = 'rbac.authorization.k8s.io/v1';
const everyone = ['system:authenticated', 'system:unauthenticated'];

const publicPaths = ['/healthz', '/livez', '/readyz', '/version', '/version/'];
const discoveryPaths = [
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/openapi',
  '/openapi/*',
  '/openid/*',
  '/.well-known/*',
  ...publicPaths,
  '/healthz/*',
  '/livez/*',
  '/readyz/*',
];

const role = (name: string, rules: readonly object[], labels: Readonly<Record<string, string>> = {}): KubeObject =>
  ({
    apiVersion,
    kind: 'ClusterRole',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...labels } },
    rules,
  }) as KubeObject;

const binding = (name: string, groups: readonly string[]): KubeObject =>
  ({
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects: groups.map((group) => ({ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: group })),
  }) as KubeObject;

const readVerbs = ['get', 'list', 'watch'];
const editVerbs = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const namespaced = [
  {
    apiGroups: [''],
    resources: [
      'configmaps',
      'endpoints',
      'events',
      'persistentvolumeclaims',
      'pods',
      'pods/log',
      'pods/status',
      'replicationcontrollers',
      'serviceaccounts',
      'services',
      'services/status',
    ],
  },
  { apiGroups: ['apps', 'batch', 'autoscaling', 'policy', 'networking.k8s.io', 'discovery.k8s.io'], resources: ['*'] },
];

/** ClusterRoles a new cluster has. */
export const defaultClusterRoles: readonly KubeObject[] = [
  role('cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]),
  role('system:discovery', [{ nonResourceURLs: discoveryPaths, verbs: ['get'] }]),
  role('system:public-info-viewer', [{ nonResourceURLs: discoveryPaths, verbs: ['get'] }]),
  role('system:basic-user', [
    {
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      verbs: ['create'],
    },
    { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
  ]),
  role(
    'view',
    namespaced.map((rule) => ({ ...rule, verbs: readVerbs })),
  ),
  role('edit', [
    ...namespaced.map((rule) => ({ ...rule, verbs: [...readVerbs, ...editVerbs] })),
    {
      apiGroups: [''],
      resources: ['secrets', 'pods/exec', 'pods/attach', 'pods/portforward'],
      verbs: [...readVerbs, ...editVerbs],
    },
  ]),
];

/** ClusterRoleBindings a new cluster has. */
export const defaultClusterRoleBindings: readonly KubeObject[] = [
  binding('cluster-admin', ['system:masters']),
  binding('system:discovery', ['system:authenticated']),
  binding('system:public-info-viewer', everyone),
  binding('system:basic-user', ['system:authenticated']),
];
