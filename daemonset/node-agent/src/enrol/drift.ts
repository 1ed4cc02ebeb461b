// In: enrolled pods, the rules as the kernel has them. Out: what others changed is put back, counted and said. Called by app.ts. Main thread.
// Source: spec node-agent 7.7 and gaps G16 (`enabled` is verified, not trusted) and G17 (rules are looked at again and again).
import { messageOf } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { UnprotectedConnections } from '../unprotected/connections.ts';
import type { PrintedRules } from '../rules/apply.ts';
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

interface Look {
  /** What the rules were made for. */
  readonly wishes: string | undefined;
  readonly inode: bigint;
  readonly printed: PrintedRules;
}

/** Compares rules with what they were right after this agent made them. */
export class DriftCheck {
  readonly #parts: DriftParts;
  /** What a pod's rules looked like, with the handle they were read through. */
  readonly #looks = new Map<string, Look>();

  constructor(parts: DriftParts) {
    this.#parts = parts;
  }

  /** One round over all pods and the node. Failures of single pods are logged. */
  async once(): Promise<void> {
    const { cache, capture, source, log } = this.#parts;
    // The node first: enrolling a pod again writes the node's rules too, and what was wrong with them would not be told.
    const host = (await capture.host?.repair()) ?? false;
    if (host) log.warn('rules of the node had been changed and were put back');
    const objects = new Map(source.pods().map((pod) => [pod.metadata?.uid ?? '', pod]));
    const held = cache.list().filter(({ uid }) => objects.has(uid));
    const moved = this.#moved(held);
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
    for (const uid of this.#looks.keys()) if (cache.get(uid) === undefined) this.#looks.delete(uid);
    this.#parts.onRound({ pods, host });
  }

  /** Pods that live in another namespace than the one held: their sandbox was made anew. */
  #moved(held: readonly HeldPod[]): ReadonlySet<string> {
    const now = this.#parts.capture.find(held);
    const moved = held.filter(({ uid, netns }) => now.has(uid) && now.get(uid)?.inode !== netns?.inode);
    for (const handle of now.values()) handle.close();
    return new Set(moved.map(({ uid }) => uid));
  }

  /** The pod as it is now, looked at while nothing of this agent changes it; undefined when it is not held with a namespace. */
  async #look(uid: string): Promise<Look | undefined> {
    const { enrolment, capture, cache } = this.#parts;
    return enrolment.whileStill(uid, async () => {
      const current = cache.get(uid);
      if (current?.netns === undefined) return undefined;
      const { inode } = current.netns;
      const { wishes } = current;
      const last = this.#looks.get(uid);
      const printed = await capture.printRules(current, last?.inode === inode ? last.printed : undefined);
      return { inode, wishes, printed };
    });
  }

  async #checkPod(pod: HeldPod, object: KubernetesObject, hasMoved: boolean): Promise<boolean> {
    const { enrolment, unprotected, log, source } = this.#parts;
    if (!hasMoved) {
      const look = await this.#look(pod.uid);
      if (look === undefined) return false;
      const known = this.#looks.get(pod.uid);
      // The first look, rules that were made for other annotations, or others changed rules that are not ours: nothing is wrong.
      const isComparable = known?.inode === look.inode && known.wishes === look.wishes;
      if (!isComparable || known.printed.text === look.printed.text) {
        this.#looks.set(pod.uid, look);
        return false;
      }
    }
    log.warn('an enrolled pod was not captured as it should be and is enrolled again', {
      ...nameOf(object),
      reason: hasMoved ? 'its network namespace is a new one' : 'its rules had been changed',
    });
    // Without rules connections were opened that nobody carries: they count too.
    unprotected.unsettle(pod.uid);
    await enrolment.enrol(object, pod.ips);
    // Only now: rules that could not be put back must not be taken for good ones in the next round.
    this.#looks.delete(pod.uid);
    const look = await this.#look(pod.uid);
    if (look !== undefined) this.#looks.set(pod.uid, look);
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
