// In: what is open from before enrolments. Out: the count per pod as an annotation, the total as a metric. Called by app.ts. Main thread.
//
// Level-triggered: what the API says is compared with what is so, in every round and for every pod of the node. A patch that failed, an agent
// that was replaced, a pod that left the mesh: the next round puts it right.
import { messageOf } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { CaptureBackend } from '../enrol/capture-backend.ts';
import type { NetnsCache } from '../enrol/netns-cache.ts';
import { repeat } from '../enrol/repeat.ts';
import type { Enrolment } from '../enrol/sequence.ts';
import { publishedUnprotected, unprotectedPatch } from '../enrol/status.ts';
import type { UnprotectedConnections } from './connections.ts';

/** What the watch works with. */
export interface UnprotectedWatchParts {
  readonly cache: Pick<NetnsCache, 'list' | 'get'>;
  readonly unprotected: UnprotectedConnections;
  readonly enrolment: Pick<Enrolment, 'whileStill'>;
  readonly source: Pick<PodSource, 'pods' | 'patchPodStatus'>;
  readonly capture: Pick<CaptureBackend, 'connections'>;
  readonly log: Logger;
  readonly onTotal: (total: number) => void;
}

/** One round. Failures of single pods are logged. */
export async function publishUnprotected(parts: UnprotectedWatchParts): Promise<void> {
  const { cache, unprotected, enrolment, source, capture, log, onTotal } = parts;
  // Old connections only become fewer. Where none is left the kernel's table, which takes it milliseconds to print, is not read.
  for (const held of cache.list())
    if (unprotected.count(held.uid) > 0) unprotected.refresh(held.uid, capture.connections(held));
  onTotal(unprotected.total());

  const publish = async (pod: KubernetesObject): Promise<void> => {
    const uid = pod.metadata?.uid ?? '';
    const says = publishedUnprotected(pod);
    if (says === countOf(uid)) return;
    try {
      // In the order of adds and removes: a pod that leaves the mesh meanwhile must not be annotated after its annotations were taken away.
      await enrolment.whileStill(uid, async () => {
        const count = countOf(uid);
        if (says !== count) await source.patchPodStatus(pod, unprotectedPatch(count));
      });
    } catch (error) {
      log.warn('unprotected connections of a pod could not be published', {
        pod: pod.metadata?.name,
        namespace: pod.metadata?.namespace,
        error: messageOf(error),
        try: 'it is tried again',
      });
    }
  };
  const countOf = (uid: string): number => (cache.get(uid) === undefined ? 0 : unprotected.count(uid));
  await Promise.all(source.pods().map(publish));
}

/** Counts again in the given interval and publishes what changed, until disposed. */
export function watchUnprotected(parts: UnprotectedWatchParts, intervalMs: number): Disposable {
  return repeat(
    async () => publishUnprotected(parts),
    intervalMs,
    (error) => parts.log.warn('unprotected connections could not be counted', { error: messageOf(error) }),
  );
}
