// In: what is open from before the enrolment. Out: the count per pod as an annotation, the total as a metric. Called by app.ts. Main thread.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import { podConnections } from './connection-table.ts';
import type { HeldPod, NetnsCache } from './netns-cache.ts';
import { repeat } from './repeat.ts';
import { unprotectedPatch } from './status.ts';
import type { TableConnection, UnprotectedConnections } from './unprotected.ts';

/** What the watch works with. */
export interface UnprotectedWatchParts {
  readonly cache: NetnsCache;
  readonly unprotected: UnprotectedConnections;
  readonly source: PodSource;
  readonly log: Logger;
  readonly onTotal: (total: number) => void;
  /** Replaced in tests. */
  readonly connections?: (pod: HeldPod) => readonly TableConnection[];
}

/** Counts again in the given interval and publishes what changed, until disposed. */
export function watchUnprotected(parts: UnprotectedWatchParts, intervalMs: number): Disposable {
  const { connections = podConnections, unprotected } = parts;
  const published = new Map<string, number>();
  const once = async (): Promise<void> => {
    const pods = new Map(parts.source.pods().map((pod) => [pod.metadata?.uid ?? '', pod]));
    for (const held of parts.cache.list()) {
      // Old connections only become fewer. Where none is left the kernel's table, which takes it milliseconds to print, is not read.
      const count = unprotected.count(held.uid) === 0 ? 0 : unprotected.refresh(held.uid, connections(held));
      const pod = pods.get(held.uid);
      if (pod === undefined || (published.get(held.uid) ?? 0) === count) continue;
      await parts.source.patchPodStatus(pod, unprotectedPatch(count));
      published.set(held.uid, count);
    }
    for (const uid of published.keys()) if (parts.cache.get(uid) === undefined) published.delete(uid);
    parts.onTotal(unprotected.total());
  };
  return repeat(once, intervalMs, (error) =>
    parts.log.warn('unprotected connections could not be counted', { error: messageOf(error) }),
  );
}
