// In: the pod's service account. Out: a PodSource over the Kubernetes API: pods of this node, all namespaces. Called by main.ts. Main thread.
import { createRestClient, inClusterAccess, type InformerChange, KubeError, startInformer } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import { randomUUID } from 'node:crypto';
import type { NodeAgentConfig } from '../config.ts';
import { decideFate } from './own-fate.ts';
import type { PodSource, PodSourceEvents } from './pod-source.ts';

const ownDaemonSet = 'istio-cni-node';
/** Longest message of an event, in characters; the server refuses longer ones. */
const eventMessageLimit = 1024;

/** Fields of a pod that the agent reads; the rest is not kept. */
function strip(pod: KubernetesObject): KubernetesObject {
  const { hostNetwork, serviceAccountName } = (pod['spec'] ?? {}) as {
    hostNetwork?: boolean;
    serviceAccountName?: string;
  };
  const { phase, podIP, podIPs } = (pod['status'] ?? {}) as { phase?: string; podIP?: string; podIPs?: unknown };
  return {
    ...(pod.metadata === undefined ? {} : { metadata: pod.metadata }),
    spec: { hostNetwork, serviceAccountName },
    status: { phase, podIP, podIPs },
  };
}

/** Connects with the pod's service account. Rejects with KubeError. */
export async function connectPodSource(config: NodeAgentConfig, log: Logger): Promise<PodSource> {
  const access = await inClusterAccess({
    host: config.KUBERNETES_SERVICE_HOST,
    port: config.KUBERNETES_SERVICE_PORT,
    folder: config.AMBIT_SERVICE_ACCOUNT_DIR,
  });
  const client = createRestClient(access, { userAgent: 'istio-cni-node' });
  const pods = new Map<string, KubernetesObject>();
  const namespaces = new Map<string, KubernetesObject>();
  const closers: (() => void)[] = [() => client.close()];

  const onPodChange = (change: InformerChange, events: PodSourceEvents): void => {
    if (change.type === 'upsert') {
      const key = `${change.object.metadata?.namespace ?? ''}/${change.object.metadata?.name ?? ''}`;
      const before = pods.get(key);
      // A pod of the same name with another UID: the first one is gone, even if nobody said so.
      if (before !== undefined && before.metadata?.uid !== change.object.metadata?.uid) events.onPodGone(before);
      pods.set(key, change.object);
      events.onPod(change.object);
      return;
    }
    const key = `${change.namespace}/${change.name}`;
    const gone = pods.get(key);
    pods.delete(key);
    if (gone !== undefined) events.onPodGone(gone);
  };
  const onNamespaceChange = (change: InformerChange, events: PodSourceEvents): void => {
    if (change.type === 'delete') namespaces.delete(change.name);
    else {
      namespaces.set(change.object.metadata?.name ?? '', change.object);
      events.onNamespace(change.object);
    }
  };

  return {
    start: async (events) => {
      const namespaceInformer = startInformer({
        client,
        kind: 'Namespace',
        log,
        onChanges: (changes) => changes.forEach((change) => onNamespaceChange(change, events)),
      });
      const podInformer = startInformer({
        client,
        kind: 'Pod',
        fieldSelector: `spec.nodeName=${config.NODE_NAME}`,
        strip,
        log,
        onChanges: (changes) => changes.forEach((change) => onPodChange(change, events)),
      });
      closers.unshift(
        () => podInformer.close(),
        () => namespaceInformer.close(),
      );
      await Promise.all([namespaceInformer.synced, podInformer.synced]);
    },
    pods: () => [...pods.values()],
    namespace: (name) => namespaces.get(name),
    patchPodStatus: async (pod, patch) => {
      const { name = '', namespace = '' } = pod.metadata ?? {};
      try {
        await client.patch({ kind: 'Pod', namespace, name }, patch, { type: 'merge', subresource: 'status' });
      } catch (error) {
        if (!KubeError.is(error, 'ERR_KUBE_NOT_FOUND')) throw error;
      }
    },
    tell: async (pod, { type, reason, message }) => {
      const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
      const now = new Date().toISOString();
      await client.create({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name.slice(0, 200)}.${randomUUID()}`, namespace },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
        type,
        reason,
        message: message.slice(0, eventMessageLimit),
        source: { component: ownDaemonSet, host: config.NODE_NAME },
        reportingComponent: ownDaemonSet,
        reportingInstance: config.POD_NAME,
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      });
    },
    watchPods: ({ labels, fields }, onPod, onGone) => {
      const uids = new Map<string, string>();
      const informer = startInformer({
        client,
        kind: 'Pod',
        fieldSelector: [`spec.nodeName=${config.NODE_NAME}`, fields].filter((text) => text !== '').join(','),
        ...(labels === '' ? {} : { labelSelector: labels }),
        isOptional: true,
        log,
        onChanges: (changes) => {
          for (const change of changes) {
            if (change.type === 'delete') {
              const key = `${change.namespace}/${change.name}`;
              onGone(uids.get(key) ?? '');
              uids.delete(key);
            } else {
              const { namespace = '', name = '', uid = '' } = change.object.metadata ?? {};
              uids.set(`${namespace}/${name}`, uid);
              onPod(change.object);
            }
          }
        },
      });
      closers.unshift(() => informer.close());
    },
    deletePod: async ({ metadata }) => {
      const { name = '', namespace = '', uid = '', resourceVersion = '' } = metadata ?? {};
      await client.delete({ kind: 'Pod', namespace, name }, { preconditions: { uid, resourceVersion } });
    },
    labelPod: async ({ metadata }, labels) => {
      const { name = '', namespace = '' } = metadata ?? {};
      await client.patch({ kind: 'Pod', namespace, name }, { metadata: { labels } }, { type: 'merge' });
    },
    fateOfOwnDaemonSet: async () =>
      decideFate(
        async () => client.get({ kind: 'DaemonSet', namespace: config.POD_NAMESPACE, name: ownDaemonSet }),
        async () => client.get({ kind: 'Node', name: config.NODE_NAME }),
      ),
    close: () => closers.forEach((close) => close()),
  };
}
