// The order in which a mesh leaves a cluster.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi, KindRef, ObjectRef } from '../cluster/cluster-api.ts';
import { labels } from '../cluster/kinds.ts';
import { uninstall } from './uninstall.ts';

const mode = { [labels.dataplaneMode]: 'ambient' };
const captured = { [labels.redirection]: 'enabled' };

const object = (kind: string, name: string, metadata: object = {}): KubernetesObject => ({
  apiVersion: kind === 'DaemonSet' ? 'apps/v1' : 'v1',
  kind,
  metadata: { name, ...metadata },
});

/** A cluster whose node agents let a pod go when they are asked for it the second time. Writes down what is changed. */
function cluster(objects: readonly KubernetesObject[]) {
  const all = new Set(objects);
  const did: string[] = [];
  const asked = new Map<KubernetesObject, number>();
  const matches = (one: KubernetesObject, { kind, name, namespace }: KindRef & Partial<ObjectRef>): boolean =>
    one.kind === kind &&
    (name === undefined || one.metadata?.name === name) &&
    (namespace === undefined || one.metadata?.namespace === namespace);
  const show = ({ kind, namespace, name }: ObjectRef): string =>
    `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  /** Whether neither the pod nor its namespace wants it in the mesh. */
  const isLeaving = (pod: KubernetesObject): boolean =>
    pod.metadata?.labels?.[labels.dataplaneMode] === undefined &&
    [...all].every(
      (one) =>
        one.kind !== 'Namespace' ||
        one.metadata?.name !== pod.metadata?.namespace ||
        one.metadata?.labels?.[labels.dataplaneMode] === undefined,
    );
  const api: Partial<ClusterApi> = {
    get: async (ref) => [...all].find((one) => matches(one, ref)),
    list: async (kind, options = {}) => {
      const found = [...all].filter((one) => matches(one, { ...kind, ...options }));
      for (const pod of found.filter((one) => one.kind === 'Pod' && isLeaving(one))) {
        asked.set(pod, (asked.get(pod) ?? 0) + 1);
        if (asked.get(pod) !== 2 || pod.metadata === undefined) continue;
        Object.assign(pod.metadata, { annotations: {} });
        did.push(`released ${pod.metadata.namespace}/${pod.metadata.name}`);
      }
      const [key, value] = options.labelSelector?.split('=') ?? [];
      return key === undefined ? found : found.filter((one) => one.metadata?.labels?.[key] === value);
    },
    patch: async (ref, patch) => {
      const one = [...all].find((each) => matches(each, ref));
      const { metadata } = patch as { metadata: { labels: Record<string, string | null> } };
      const kept = Object.entries({ ...one?.metadata?.labels, ...metadata.labels }).filter(([, text]) => text !== null);
      if (one?.metadata !== undefined) Object.assign(one.metadata, { labels: Object.fromEntries(kept) });
      return one ?? {};
    },
    delete: async (ref) => {
      const one = [...all].find((each) => matches(each, ref));
      did.push(show(ref));
      return one !== undefined && all.delete(one);
    },
    version: async () => 'v1.34.0',
  };
  return { api: api as ClusterApi, did, all };
}

test('pods are released before anything is deleted, those with a label of their own too; then the proxy goes, then the agent', async () => {
  const { api, did, all } = cluster([
    object('Namespace', 'shop', { labels: mode }),
    object('Namespace', 'plain'),
    object('Pod', 'one', { namespace: 'shop', annotations: captured }),
    object('Pod', 'two', { namespace: 'plain', labels: mode, annotations: captured }),
    object('DaemonSet', 'ztunnel', { namespace: 'istio-system' }),
    object('DaemonSet', 'istio-cni-node', { namespace: 'istio-system' }),
  ]);
  const wishes = {
    namespace: 'istio-system',
    revision: '',
    charts: ['base', 'istiod', 'cni', 'ztunnel'],
    values: {},
  } as const;
  assert.deepEqual(await uninstall(api, wishes, { yes: true, purge: false }), []);
  assert.deepEqual(did.slice(0, 4), [
    'released shop/one',
    'released plain/two',
    'DaemonSet istio-system/ztunnel',
    'DaemonSet istio-system/istio-cni-node',
  ]);
  assert.ok([...all].every(({ kind }) => kind !== 'DaemonSet'));
});
