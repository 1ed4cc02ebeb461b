// Namespaces: what every namespace holds from the start, and its orderly end.
// Comes in: namespaces, the cluster CA. Goes out: label, default ServiceAccount, kube-root-ca.crt; on deletion the
// removal of all content and the last finalizer. Main thread.
import type { AnyObject, ConfigMap } from './objects.ts';
import { controllerOfParts, nowSeconds } from './context.ts';
import type { Controller, ControllerContext } from './context.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import { createWorkQueue } from './work-queue.ts';
import type { ReconcileResult } from './work-queue.ts';

interface Namespace extends AnyObject {
  spec?: { finalizers?: string[] };
  status?: { phase?: string; conditions?: NamespaceCondition[] };
}

interface NamespaceCondition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

const NAME_LABEL = 'kubernetes.io/metadata.name';
const ROOT_CA = 'kube-root-ca.crt';
// Workloads before their pods, pods before what they use.
const FIRST = ['deployments.apps', 'daemonsets.apps', 'statefulsets.apps', 'jobs.batch', 'replicasets.apps', 'pods'];

/** Starts the namespace controller; `caPem` goes into every namespace's kube-root-ca.crt. */
export function startNamespaceController(context: ControllerContext, caPem: string): Controller {
  const queue = createWorkQueue('namespace', context.log, (name) => reconcile(context, caPem, name));
  return controllerOfParts(
    queue,
    context.api.watch<Namespace>('namespaces', {}, ({ type, object }) => {
      if (type !== 'DELETED') queue.add(object.metadata.name);
    }),
    context.api.watch('serviceaccounts', {}, ({ type, object }) => {
      if (type === 'DELETED' && object.metadata.name === 'default') queue.add(object.metadata.namespace ?? '');
    }),
    context.api.watch<ConfigMap>('configmaps', { fieldSelector: `metadata.name=${ROOT_CA}` }, ({ type, object }) => {
      if (type !== 'ADDED') queue.add(object.metadata.namespace ?? '');
    }),
  );
}

async function reconcile(context: ControllerContext, caPem: string, name: string): Promise<ReconcileResult> {
  const namespace = context.api.get<Namespace>('namespaces', name);
  if (namespace === undefined) return;
  if (namespace.metadata.deletionTimestamp !== undefined) return empty(context, namespace);
  if (namespace.metadata.labels?.[NAME_LABEL] !== name) {
    await context.api.patch('namespaces', name, undefined, { metadata: { labels: { [NAME_LABEL]: name } } });
  }
  await Promise.all([ensureServiceAccount(context, name), ensureRootCa(context, caPem, name)]);
}

async function ensureServiceAccount(context: ControllerContext, namespace: string): Promise<void> {
  if (context.api.get('serviceaccounts', 'default', namespace) !== undefined) return;
  await createUnlessPresent(context, 'serviceaccounts', {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'default', namespace },
  });
}

async function ensureRootCa(context: ControllerContext, caPem: string, namespace: string): Promise<void> {
  const present = context.api.get<ConfigMap>('configmaps', ROOT_CA, namespace);
  if (present === undefined) {
    const map: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: ROOT_CA,
        namespace,
        annotations: { 'kubernetes.io/description': 'The certificate authority of the API server of this cluster.' },
      },
      data: { 'ca.crt': caPem },
    };
    return createUnlessPresent(context, 'configmaps', map);
  }
  if (present.data?.['ca.crt'] === caPem) return;
  await context.api.patch('configmaps', ROOT_CA, namespace, { data: { 'ca.crt': caPem } });
}

async function createUnlessPresent(context: ControllerContext, resource: string, object: AnyObject): Promise<void> {
  await context.api.create(resource, object).catch((error: unknown) => {
    if (!isAlreadyExists(error) && !isNotFound(error)) throw error;
  });
}

async function empty(context: ControllerContext, namespace: Namespace): Promise<ReconcileResult> {
  const name = namespace.metadata.name;
  const resources = context.api.resources().filter((each) => each.namespaced && each.resource !== 'events');
  const names = resources.map((each) => each.resource);
  names.sort((a, b) => rank(a) - rank(b));
  if (names.every((resource) => context.api.list(resource, { namespace: name }).items.length === 0)) {
    await removeAll(context, 'events', name);
    if (namespace.spec?.finalizers?.includes('kubernetes') ?? true) {
      await context.api.finalizeNamespace(name, 'kubernetes').catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
    }
    return;
  }
  for (const resource of names) await removeAll(context, resource, name);
  await reportRemaining(context, namespace, names);
  return { requeueAfterMs: 50 };
}

const rank = (resource: string): number => {
  const index = FIRST.indexOf(resource);
  return index === -1 ? FIRST.length : index;
};

async function removeAll(context: ControllerContext, resource: string, namespace: string): Promise<void> {
  const items = context.api.list<AnyObject>(resource, { namespace }).items;
  await Promise.all(
    items
      .filter((item) => item.metadata.deletionTimestamp === undefined)
      .map((item) =>
        context.api.delete(resource, item.metadata.name, namespace).catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        }),
      ),
  );
}

async function reportRemaining(
  context: ControllerContext,
  namespace: Namespace,
  resources: readonly string[],
): Promise<void> {
  const name = namespace.metadata.name;
  const counts = resources.map((resource) => ({
    resource,
    items: context.api.list<AnyObject>(resource, { namespace: name }).items,
  }));
  const held = counts.flatMap(({ items }) => items.flatMap((item) => item.metadata.finalizers ?? []));
  const content = counts
    .filter(({ items }) => items.length > 0)
    .map(({ resource, items }) => `${resource} has ${items.length} resource instances`);
  const message = (texts: readonly string[]): string => texts.join(', ');
  const conditions = [
    condition(
      'NamespaceDeletionContentFailure',
      false,
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ),
    content.length > 0
      ? condition(
          'NamespaceContentRemaining',
          true,
          'SomeResourcesRemain',
          `Some resources are remaining: ${message(content)}`,
        )
      : condition('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'),
    held.length > 0
      ? condition(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${message([...new Set(held)])}`,
        )
      : condition(
          'NamespaceFinalizersRemaining',
          false,
          'ContentHasNoFinalizers',
          'All content-preserving finalizers finished',
        ),
  ];
  const same = conditions.every((next) =>
    namespace.status?.conditions?.some((old) => old.type === next.type && old.message === next.message),
  );
  if (same && namespace.status?.phase === 'Terminating') return;
  await context.api
    .patch('namespaces', name, undefined, { status: { phase: 'Terminating', conditions } }, { subresource: 'status' })
    .catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
}

function condition(type: string, holds: boolean, reason: string, message: string): NamespaceCondition {
  return { type, status: holds ? 'True' : 'False', reason, message, lastTransitionTime: nowSeconds() };
}
