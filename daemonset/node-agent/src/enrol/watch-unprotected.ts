// In: what is open from before the enrolment. Out: the count per pod as an annotation, the total as a metric. Called by app.ts. Main thread.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import { podConnections } from './connection-table.ts';
import type { NetnsCache } from './netns-cache.ts';
import { repeat } from './repeat.ts';
import { unprotectedPatch } from './status.ts';
import type { UnprotectedConnections } from './unprotected.ts';

/** What the watch works with. */
export interface UnprotectedWatchParts {
  readonly cache: NetnsCache;
  readonly unprotected: UnprotectedConnections;
  readonly source: PodSource;
  readonly log: Logger;
  readonly onTotal: (total: number) => void;
}

/** Counts again in the given interval and publishes what changed, until disposed. */
export function watchUnprotected(parts: UnprotectedWatchParts, intervalMs: number): Disposable {
  const published = new Map<string, number>();
  const once = async (): Promise<void> => {
    const pods = new Map(parts.source.pods().map((pod) => [pod.metadata?.uid ?? '', pod]));
    for (const held of parts.cache.list()) {
      const count = parts.unprotected.refresh(held.uid, podConnections(held));
      const pod = pods.get(held.uid);
      if (pod === undefined || (published.get(held.uid) ?? 0) === count) continue;
      await parts.source.patchPodStatus(pod, unprotectedPatch(count));
      published.set(held.uid, count);
    }
    for (const uid of published.keys()) if (parts.cache.get(uid) === undefined) published.delete(uid);
    parts.onTotal(parts.unprotected.total());
  };
  return repeat(once, intervalMs, (error) =>
    parts.log.warn('unprotected connections could not be counted', { error: messageOf(error) }),
  );
}
