// In: enrolled pods, the rules as the kernel has them. Out: what others changed is put back, counted and said. Called by app.ts. Main thread.
// Source: spec node-agent 7.7 and gaps G16 (`enabled` is verified, not trusted) and G17 (rules are looked at again and again).
import { messageOf } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { UnprotectedConnections } from '../unprotected/connections.ts';
import { isSamePrint } from '../rules/apply.ts';
import { searchedGroupUidOf } from '../select/pod-events.ts';
import type { CaptureBackend } from './capture-backend.ts';
import type { HeldPod, NetnsCache } from './netns-cache.ts';
import { repeat } from './repeat.ts';
import type { Enrolment } from './sequence.ts';

/** What the check works with. */
export interface DriftParts {
  readonly cache: NetnsCache;
  readonly capture: CaptureBackend;
  readonly enrolment: Enrolment;
  readonly unprotected: Pick<UnprotectedConnections, 'unsettle'>;
  readonly source: PodSource;
  readonly log: Logger;
  /** Told after every round: how many pods, and whether the node's rules, had to be put right. */
  readonly onRound: (repaired: { readonly pods: number; readonly host: boolean }) => void;
}

/** Compares what pods have of the mesh with what this agent gave them. */
export class DriftCheck {
  readonly #parts: DriftParts;

  constructor(parts: DriftParts) {
    this.#parts = parts;
  }

  /** One round over all pods and the node. Failures of single pods are logged. */
  async once(): Promise<void> {
    const { cache, capture, source, log } = this.#parts;
    // The node first: enrolling a pod again writes the node's rules too, and what was wrong with them would not be told.
    const host = (await capture.host?.repair()) ?? false;
    if (host) log.warn('rules of the node had been changed and were put back');
    const all = source.pods();
    const objects = new Map(all.map((pod) => [pod.metadata?.uid ?? '', pod]));
    const held = cache.list().filter(({ uid }) => objects.has(uid));
    const moved = this.#moved(held, objects, all);
    let pods = 0;
    for (const pod of held) {
      const object = objects.get(pod.uid);
      if (object === undefined) continue;
      try {
        if (await this.#checkPod(pod, object, moved.has(pod.uid))) pods += 1;
      } catch (error) {
        log.warn('rules of a pod could not be checked', { ...nameOf(object), error: messageOf(error) });
      }
    }
    this.#parts.onRound({ pods, host });
  }

  /** Pods that live in another namespace than the one held: their sandbox was made anew. */
  #moved(
    held: readonly HeldPod[],
    objects: ReadonlyMap<string, KubernetesObject>,
    all: readonly KubernetesObject[],
  ): ReadonlySet<string> {
    const wanted = held.map(({ uid, ips }) => {
      const object = objects.get(uid);
      return { uid, ips, groupUid: object === undefined ? undefined : searchedGroupUidOf(object, all) };
    });
    const now = this.#parts.capture.find(wanted);
    const moved = held.filter(({ uid, netns }) => now.has(uid) && now.get(uid)?.inode !== netns?.inode);
    for (const handle of now.values()) handle.close();
    return new Set(moved.map(({ uid }) => uid));
  }

  /** Whether the pod has something else of the mesh than this agent gave it, looked at while nothing of this agent changes it. */
  async #isChanged(uid: string): Promise<boolean> {
    const { enrolment, capture, cache } = this.#parts;
    return enrolment.whileStill(uid, async () => {
      const current = cache.get(uid);
      // Not captured yet: that is the reconciler's to see to.
      if (current?.netns === undefined || current.printed === undefined) return false;
      const printed = await capture.printRules(current, current.printed);
      if (!isSamePrint(printed, current.printed)) return true;
      // Others changed rules that are not ours: the next look counts from here.
      if (printed.generation !== current.printed.generation) cache.put({ ...current, printed });
      return false;
    });
  }

  async #checkPod(pod: HeldPod, object: KubernetesObject, hasMoved: boolean): Promise<boolean> {
    const { enrolment, unprotected, log, source } = this.#parts;
    if (!hasMoved && !(await this.#isChanged(pod.uid))) return false;
    log.warn('an enrolled pod was not captured as it should be and is enrolled again', {
      ...nameOf(object),
      reason: hasMoved ? 'its network namespace is a new one' : 'its rules had been changed',
    });
    // Without rules connections were opened that nobody carries: they count too.
    unprotected.unsettle(pod.uid);
    await enrolment.enrol(object, pod.ips);
    await source.tell(object, {
      type: 'Warning',
      reason: 'AmbientCaptureRestored',
      message: hasMoved
        ? 'The pod had a new network namespace that was not captured. It is captured now.'
        : "The mesh's rules in the pod had been changed by another program. They were put back.",
    });
    return true;
  }
}

const nameOf = (pod: KubernetesObject): Record<string, unknown> => ({
  pod: pod.metadata?.name,
  namespace: pod.metadata?.namespace,
});

/** Runs rounds in the given interval until disposed. */
export function watchDrift(check: DriftCheck, intervalMs: number, log: Logger): Disposable {
  return repeat(
    async () => check.once(),
    intervalMs,
    (error) => log.warn('rules could not be checked', { error: messageOf(error) }),
  );
}
