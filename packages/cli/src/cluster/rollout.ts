// In: workloads that were applied. Out: a promise that they run, with the first reason why not. Called by install, waypoint, demo.
import type { KubernetesObject } from '@ambit/resources';
import { waitUntil } from '../output/wait-until.ts';
import type { ClusterApi, ObjectRef } from './cluster-api.ts';
import { isRolledOut, nameOf, statusOf } from './object-fields.ts';
import { kinds } from './kinds.ts';

/** The first thing that keeps a pod of this namespace from being ready, for messages. */
export async function firstTrouble(api: ClusterApi, namespace: string): Promise<string | undefined> {
  for (const pod of await api.list(kinds.pod, { namespace })) {
    const statuses = statusOf(pod)['containerStatuses'];
    for (const status of Array.isArray(statuses)
      ? (statuses as { state?: { waiting?: { reason?: string; message?: string } } }[])
      : []) {
      const waiting = status.state?.waiting;
      if (waiting?.reason !== undefined && waiting.reason !== 'ContainerCreating') {
        return `${nameOf(pod)}: ${waiting.reason}${waiting.message === undefined ? '' : ` (${waiting.message})`}`;
      }
    }
  }
  return undefined;
}

/** Waits until every named Deployment and DaemonSet is rolled out. */
export async function waitForRollouts(
  api: ClusterApi,
  refs: readonly ObjectRef[],
  timeoutMs: number,
  options: { readonly signal?: AbortSignal; readonly onMissing?: (missing: string) => void } = {},
): Promise<readonly KubernetesObject[]> {
  return waitUntil<readonly KubernetesObject[]>(
    'rollout',
    timeoutMs,
    async () => {
      const objects = await Promise.all(refs.map(async (ref) => api.get(ref)));
      const late = refs.filter((_, index) => {
        const object = objects[index];
        return object === undefined || !isRolledOut(object);
      });
      if (late.length === 0) return { value: objects.filter((object) => object !== undefined) };
      const trouble = await firstTrouble(api, late[0]?.namespace ?? '');
      const names = late.map((ref) => `${ref.kind}/${ref.name}`).join(', ');
      return {
        missing: `${refs.length - late.length}/${refs.length} ready, waiting for ${names}${trouble === undefined ? '' : `; ${trouble}`}`,
      };
    },
    { ...options, hint: 'kubectl get pods -A; kubectl describe pod <name>' },
  );
}
