// In: the pods that are enrolled when the mesh is removed from the node. Out: each of them out of the mesh and working without it. Called by
// app.ts at the last stop of all. Without it their rules would lead to ports that nobody serves any more, until they are restarted (gap G20).
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { NetnsCache } from './netns-cache.ts';
import type { Reconciler } from './reconciler.ts';
import type { Enrolment } from './sequence.ts';

/** What the release works with. */
export interface ReleaseParts {
  readonly source: Pick<PodSource, 'pods'>;
  readonly cache: NetnsCache;
  readonly enrolment: Pick<Enrolment, 'remove'>;
  /** Closed first: it would enrol the pods again. */
  readonly reconciler: Pick<Reconciler, 'close'>;
  readonly log: Logger;
}

/** Pods at a time: the node's stop has a deadline, and its processors other work. */
const parallel = 8;

/** Takes every pod out of the mesh. One that fails is logged and keeps none of the others. */
export async function releasePods({ source, cache, enrolment, reconciler, log }: ReleaseParts): Promise<void> {
  reconciler.close();
  const held = new Set(cache.list().map(({ uid }) => uid));
  const waiting = source.pods().filter((pod) => held.has(pod.metadata?.uid ?? ''));
  let released = 0;
  const work = async (): Promise<void> => {
    for (let pod = waiting.pop(); pod !== undefined; pod = waiting.pop()) {
      try {
        await enrolment.remove(pod, false);
        released += 1;
      } catch (error) {
        log.error('a pod was not released whole although the mesh is removed', {
          pod: pod.metadata?.name,
          namespace: pod.metadata?.namespace,
          error: messageOf(error),
          try: 'restart the pod',
        });
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  log.info('pods released, because the mesh is removed from this node', { pods: released });
}
