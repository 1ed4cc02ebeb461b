/**
 * The builtin kinds that are served (spec/local-cluster.md 7.1), as a table. Read once by the registry. Pure data.
 */

import { builtinSchema } from '../schema/from-descriptor.ts';
import type { Resource, ScalePaths, Subresource } from './resource.ts';

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
const statusVerbs = ['get', 'patch', 'update'];

const replicas: ScalePaths = {
  specReplicas: ['spec', 'replicas'],
  statusReplicas: ['status', 'replicas'],
  labelSelector: ['spec', 'selector'],
};

interface Row {
  readonly kind: string;
  readonly resource?: string;
  readonly short?: readonly string[];
  readonly cluster?: boolean;
  readonly all?: boolean;
  readonly status?: boolean;
  readonly scale?: boolean;
  readonly generation?: boolean;
  readonly more?: readonly Subresource[];
  readonly verbs?: readonly string[];
  readonly storage?: { readonly name: string; readonly version: string };
}

const createOnly = { verbs: ['create'] } as const;
const stream = (name: string, kind: string): Subresource => ({ name, kind, verbs: ['create', 'get'] });

const table: Readonly<Record<string, readonly Row[]>> = {
  v1: [
    { kind: 'Binding', verbs: ['create'] },
    { kind: 'ConfigMap', short: ['cm'] },
    { kind: 'Endpoints', resource: 'endpoints', short: ['ep'] },
    { kind: 'Event', short: ['ev'] },
    { kind: 'LimitRange', short: ['limits'] },
    {
      kind: 'Namespace',
      short: ['ns'],
      cluster: true,
      status: true,
      verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
      more: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
    },
    { kind: 'Node', short: ['no'], cluster: true, status: true },
    { kind: 'PersistentVolume', short: ['pv'], cluster: true, status: true },
    { kind: 'PersistentVolumeClaim', short: ['pvc'], status: true },
    {
      kind: 'Pod',
      short: ['po'],
      all: true,
      status: true,
      generation: true,
      more: [
        stream('attach', 'PodAttachOptions'),
        { name: 'binding', kind: 'Binding', verbs: ['create'] },
        { name: 'ephemeralcontainers', kind: 'Pod', verbs: statusVerbs },
        { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
        stream('exec', 'PodExecOptions'),
        { name: 'log', kind: 'Pod', verbs: ['get'] },
        stream('portforward', 'PodPortForwardOptions'),
      ],
    },
    { kind: 'ReplicationController', short: ['rc'], all: true, status: true, scale: true, generation: true },
    { kind: 'ResourceQuota', short: ['quota'], status: true },
    { kind: 'Secret' },
    {
      kind: 'ServiceAccount',
      short: ['sa'],
      more: [{ name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] }],
    },
    { kind: 'Service', short: ['svc'], all: true, status: true },
  ],
  'apps/v1': [
    { kind: 'ControllerRevision' },
    { kind: 'DaemonSet', short: ['ds'], all: true, status: true, generation: true },
    { kind: 'Deployment', short: ['deploy'], all: true, status: true, scale: true, generation: true },
    { kind: 'ReplicaSet', short: ['rs'], all: true, status: true, scale: true, generation: true },
    { kind: 'StatefulSet', short: ['sts'], all: true, status: true, scale: true, generation: true },
  ],
  'batch/v1': [
    { kind: 'CronJob', short: ['cj'], all: true, status: true, generation: true },
    { kind: 'Job', all: true, status: true, generation: true },
  ],
  'autoscaling/v2': [{ kind: 'HorizontalPodAutoscaler', short: ['hpa'], all: true, status: true }],
  'autoscaling/v1': [
    {
      kind: 'HorizontalPodAutoscaler',
      short: ['hpa'],
      all: true,
      status: true,
      storage: { name: 'horizontalpodautoscalers.autoscaling', version: 'autoscaling/v2' },
    },
  ],
  'policy/v1': [{ kind: 'PodDisruptionBudget', short: ['pdb'], status: true, generation: true }],
  'discovery.k8s.io/v1': [{ kind: 'EndpointSlice', generation: true }],
  'networking.k8s.io/v1': [
    { kind: 'Ingress', short: ['ing'], status: true, generation: true },
    { kind: 'IngressClass', cluster: true, generation: true },
    { kind: 'NetworkPolicy', resource: 'networkpolicies', short: ['netpol'], generation: true },
  ],
  'rbac.authorization.k8s.io/v1': [
    { kind: 'ClusterRoleBinding', cluster: true },
    { kind: 'ClusterRole', cluster: true },
    { kind: 'RoleBinding' },
    { kind: 'Role' },
  ],
  'coordination.k8s.io/v1': [{ kind: 'Lease' }],
  'events.k8s.io/v1': [{ kind: 'Event', short: ['ev'], storage: { name: 'events', version: 'v1' } }],
  'admissionregistration.k8s.io/v1': [
    { kind: 'MutatingWebhookConfiguration', cluster: true, generation: true },
    {
      kind: 'ValidatingAdmissionPolicy',
      resource: 'validatingadmissionpolicies',
      cluster: true,
      status: true,
      generation: true,
    },
    { kind: 'ValidatingAdmissionPolicyBinding', cluster: true, generation: true },
    { kind: 'ValidatingWebhookConfiguration', cluster: true, generation: true },
  ],
  'apiextensions.k8s.io/v1': [
    { kind: 'CustomResourceDefinition', short: ['crd', 'crds'], cluster: true, status: true, generation: true },
  ],
  'certificates.k8s.io/v1': [
    {
      kind: 'CertificateSigningRequest',
      short: ['csr'],
      cluster: true,
      status: true,
      more: [{ name: 'approval', kind: 'CertificateSigningRequest', verbs: statusVerbs }],
    },
  ],
  'certificates.k8s.io/v1beta1': [{ kind: 'ClusterTrustBundle', cluster: true }],
  'authentication.k8s.io/v1': [
    { kind: 'SelfSubjectReview', cluster: true, ...createOnly },
    { kind: 'TokenReview', cluster: true, ...createOnly },
  ],
  'authorization.k8s.io/v1': [
    { kind: 'LocalSubjectAccessReview', ...createOnly },
    { kind: 'SelfSubjectAccessReview', cluster: true, ...createOnly },
    { kind: 'SelfSubjectRulesReview', cluster: true, ...createOnly },
    { kind: 'SubjectAccessReview', cluster: true, ...createOnly },
  ],
  'scheduling.k8s.io/v1': [{ kind: 'PriorityClass', short: ['pc'], cluster: true, generation: true }],
  'storage.k8s.io/v1': [{ kind: 'StorageClass', short: ['sc'], cluster: true }],
};

function pluralOf(kind: string): string {
  const lower = kind.toLowerCase();
  return lower.endsWith('s') ? `${lower}es` : lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : `${lower}s`;
}

function subresourcesOf(row: Row): Subresource[] {
  return [
    ...(row.more ?? []),
    ...(row.scale === true
      ? [{ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: statusVerbs }]
      : []),
    ...(row.status === true ? [{ name: 'status', kind: row.kind, verbs: statusVerbs }] : []),
  ].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function build(apiVersion: string, row: Row): Resource {
  const cut = apiVersion.indexOf('/');
  const group = cut === -1 ? '' : apiVersion.slice(0, cut);
  const resource = row.resource ?? pluralOf(row.kind);
  return {
    group,
    version: apiVersion.slice(cut + 1),
    apiVersion,
    resource,
    singular: row.kind.toLowerCase(),
    kind: row.kind,
    listKind: `${row.kind}List`,
    namespaced: row.cluster !== true,
    shortNames: row.short ?? [],
    categories: row.all === true ? ['all'] : row.kind === 'CustomResourceDefinition' ? ['api-extensions'] : [],
    verbs: row.verbs ?? allVerbs,
    subresources: subresourcesOf(row),
    storageName: row.storage?.name ?? (group === '' ? resource : `${resource}.${group}`),
    storageVersion: row.storage?.version ?? apiVersion,
    hasGeneration: row.generation === true,
    hasStatus: row.status === true,
    scale: row.scale === true ? replicas : undefined,
    schema: builtinSchema(apiVersion, row.kind),
    custom: undefined,
  };
}

/** Every builtin resource, in the order of discovery. */
export const builtinResources: readonly Resource[] = Object.entries(table).flatMap(([apiVersion, rows]) =>
  rows.map((row) => build(apiVersion, row)).toSorted((a, b) => (a.resource < b.resource ? -1 : 1)),
);
