// In: decisions about pods. Out: the ordered add and remove of one pod, one lock per UID, retried with backoff. Step 3 of path 5.
// Called by the reconciler, the drift check and the plugin's socket. Main thread. Source: spec node-agent 1.6; gaps G5 and G6: a namespace is
// given up only after its rules are gone, and is looked up again when it is not held; G11: a removal needs no namespace object.
import type { NetnsHandle } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import { NodeAgentError } from '../errors.ts';
import { addressesOf, type Captured, ruleWishesOf, searchedGroupUidOf } from '../select/pod-events.ts';
import type { UnprotectedConnections } from '../unprotected/connections.ts';
import type { ZdsServer } from '../zds/server.ts';
import type { CaptureBackend } from './capture-backend.ts';
import { KeyedLock } from './lock.ts';
import type { CaptureState, HeldPod, NetnsCache } from './netns-cache.ts';
import { redirectionAnnotation, redirectionPatch } from './status.ts';

/** What the sequence works with. */
export interface EnrolmentParts {
  readonly cache: NetnsCache;
  readonly zds: ZdsServer;
  readonly source: PodSource;
  readonly capture: CaptureBackend;
  readonly unprotected: UnprotectedConnections;
  readonly log: Logger;
}

const uidOf = (pod: KubernetesObject): string => pod.metadata?.uid ?? '';

function fields(pod: KubernetesObject): Record<string, unknown> {
  return { pod: pod.metadata?.name, namespace: pod.metadata?.namespace, uid: uidOf(pod) };
}

/** A pod as the agent holds it. */
export function heldPodOf(
  pod: KubernetesObject,
  ips: readonly string[],
  netns: NetnsHandle | undefined,
  capture: CaptureState,
): HeldPod {
  const spec = pod['spec'] as { serviceAccountName?: string } | undefined;
  return {
    uid: uidOf(pod),
    workload: {
      name: pod.metadata?.name ?? '',
      namespace: pod.metadata?.namespace ?? '',
      serviceAccount: spec?.serviceAccountName ?? 'default',
    },
    ips,
    netns,
    capture,
  };
}

/** A pod that runs in the mesh, according to its annotation, gets its rules first whoever enrolled it. A new sandbox has no rules yet. */
function captureAfterOpening(pod: KubernetesObject, before: HeldPod | undefined, netns: NetnsHandle): CaptureState {
  const isKnown = before !== undefined && before.capture !== 'new';
  if (!isKnown) return pod.metadata?.annotations?.[redirectionAnnotation] === 'enabled' ? 'expected' : 'new';
  return before.netns?.inode === netns.inode ? before.capture : 'expected';
}

/** Until the rules are made anew they are the old ones. */
const rulesOf = (before: HeldPod | undefined): Pick<HeldPod, 'wishes' | 'printed'> => ({
  ...(before?.wishes === undefined ? {} : { wishes: before.wishes }),
  ...(before?.printed === undefined ? {} : { printed: before.printed }),
});

/** Enrols and removes pods. */
export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #lock = new KeyedLock();

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /** True when this agent holds the pod, be it only by name. */
  holds(uid: string): boolean {
    return this.#parts.cache.get(uid) !== undefined;
  }

  /** How this agent captured the pod; undefined when it has not. */
  captured(uid: string): Captured | undefined {
    const held = this.#parts.cache.get(uid);
    return held?.capture === 'installed' ? { ips: held.ips, wishes: held.wishes ?? '' } : undefined;
  }

  /**
   * Steps 4 to 9 for one pod. `path`: its namespace, where the container runtime has named it; else it is looked up. `signal`: nobody waits
   * for it any more; what has not begun by then is left out, because the runtime gives that sandbox up. Idempotent. Rejects with the
   * failure of the first step that failed.
   */
  async enrol(pod: KubernetesObject, ips: readonly string[], path?: string, signal?: AbortSignal): Promise<void> {
    await this.#lock.run(uidOf(pod), async () => {
      signal?.throwIfAborted();
      await this.#enrol(pod, ips, path, signal);
    });
  }

  /** The reverse. `gone`: the pod's namespace is going away by itself. Idempotent. */
  async remove(pod: KubernetesObject, gone: boolean): Promise<void> {
    await this.#lock.run(uidOf(pod), async () => this.#remove(pod, gone));
  }

  /** The enrolled pod has other addresses now. */
  async readdress(pod: KubernetesObject, ips: readonly string[]): Promise<void> {
    await this.#lock.run(uidOf(pod), async () => {
      const { cache, capture } = this.#parts;
      const held = cache.get(uidOf(pod));
      if (held === undefined) return;
      await capture.host?.set(held.uid, ips);
      cache.put({ ...held, ips });
    });
  }

  /** Runs `look` while neither add nor remove of the pod is under way. */
  async whileStill<T>(uid: string, look: () => Promise<T>): Promise<T> {
    return this.#lock.run(uid, look);
  }

  #open(pod: KubernetesObject, ips: readonly string[], path?: string): HeldPod {
    const { cache, capture, source } = this.#parts;
    const uid = uidOf(pod);
    const before = cache.get(uid);
    if (!capture.hasNamespaces) return cache.put(heldPodOf(pod, ips, undefined, before?.capture ?? 'new'));
    // A pod whose sandbox is new has no process yet that could be found: what the plugin named before is still right.
    const netns =
      path === undefined
        ? (capture.find([{ uid, ips, groupUid: searchedGroupUidOf(pod, source.pods()) }]).get(uid) ?? before?.netns)
        : capture.openPath(path);
    if (netns === undefined)
      throw new NodeAgentError(
        'ERR_NODE_AGENT_NETNS',
        'no process of the pod was found in a network namespace with its address',
        { hint: "is the node's process table mounted into the node agent?" },
      );
    return cache.put({ ...heldPodOf(pod, ips, netns, captureAfterOpening(pod, before, netns)), ...rulesOf(before) });
  }

  async #enrol(
    pod: KubernetesObject,
    ips: readonly string[],
    path: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { zds, source, capture, unprotected, log } = this.#parts;
    const started = performance.now();
    const uid = uidOf(pod);
    const held = this.#open(pod, ips, path);
    const wasCaptured = held.capture !== 'new';
    let exempted: PromiseSettledResult<void> | undefined;
    // A pod that is captured already gets its rules back first. A new one gets its listeners first: rules without listeners would refuse
    // what its applications open in between.
    if (wasCaptured) exempted = await this.#install(held, pod);
    else await this.#forgetIfFailed(uid, async () => capture.prepare(held));
    try {
      await zds.add(held, signal);
    } catch (error) {
      // Told once: every attempt would be one more request to the API.
      if (pod.metadata?.annotations?.[redirectionAnnotation] !== 'pending')
        await source.patchPodStatus(pod, redirectionPatch('pending'));
      throw error;
    }
    exempted ??= await this.#forgetIfFailed(uid, async () => this.#install(held, pod));
    if (exempted.status === 'rejected') throw exempted.reason;
    // Last, because the control plane lets peers send tunnels as soon as it sees this.
    await source.patchPodStatus(pod, redirectionPatch('enabled'));
    log.info('pod enrolled', {
      ...fields(pod),
      ips: ips.join(','),
      durationMs: Math.round(performance.now() - started),
      unprotectedConnections: unprotected.count(uid),
    });
  }

  /**
   * Notes what is open, then installs the rules. Meanwhile, in the node's own namespace, the probes of the pod are exempted: neither needs
   * the other, and a new pod waits for both. Rejects when the rules failed; resolves with what became of the exemption.
   */
  async #install(held: HeldPod, pod: KubernetesObject): Promise<PromiseSettledResult<void>> {
    const { cache, capture, unprotected } = this.#parts;
    unprotected.begin(held.uid, held.netns?.inode, {
      connections: () => capture.connections(held),
      uncarried: () => capture.uncarried(held, pod),
    });
    const exempt = async (): Promise<void> => capture.host?.set(held.uid, held.ips);
    const [installed, exempted] = await Promise.allSettled([capture.installRules(held, pod), exempt()]);
    if (installed.status === 'rejected') throw installed.reason;
    cache.put({ ...held, capture: 'installed', wishes: ruleWishesOf(pod), printed: installed.value });
    unprotected.settle(held.uid);
    return exempted;
  }

  /** Without rules a new pod is not in the mesh: when they fail, no proxy may keep listening for it and nothing of it stays here. */
  async #forgetIfFailed<T>(uid: string, install: () => Promise<T>): Promise<T> {
    const { cache, zds, capture, unprotected, log } = this.#parts;
    try {
      return await install();
    } catch (error) {
      await zds.delete(uid).catch((refusal: unknown) =>
        log.warn('a node proxy keeps what it has of a pod that is not in the mesh', {
          uid,
          why: messageOf(refusal),
          try: 'the pod is tried again; if that repeats, restart the node proxy of this node',
        }),
      );
      cache.drop(uid);
      unprotected.forget(uid);
      await capture.host?.remove(uid);
      throw error;
    }
  }

  async #remove(pod: KubernetesObject, gone: boolean): Promise<void> {
    const { cache, zds, capture, unprotected, log } = this.#parts;
    const uid = uidOf(pod);
    const ips = cache.get(uid)?.ips ?? addressesOf(pod);
    await capture.host?.remove(uid);
    if (!gone) {
      const known = cache.get(uid);
      const held = known?.netns === undefined ? this.#tryOpen(pod, ips) : known;
      if (held !== undefined) await capture.removeRules(held);
    }
    await zds.delete(uid);
    cache.drop(uid);
    unprotected.forget(uid);
    await this.#unannotate(pod, gone);
    log.info('pod removed from the mesh', { ...fields(pod), gone });
  }

  /** A pod that has ended may stay in the API for long; for one that is deleted nothing is left to say. Rejects only for a live pod. */
  async #unannotate(pod: KubernetesObject, gone: boolean): Promise<void> {
    const { source, log } = this.#parts;
    if (gone && !source.pods().some((known) => uidOf(known) === uidOf(pod))) return;
    try {
      await source.patchPodStatus(pod, redirectionPatch(undefined));
    } catch (error) {
      if (!gone) throw error;
      log.debug('annotation of an ended pod not removed', { ...fields(pod), error: messageOf(error) });
    }
  }

  /**
   * A pod without a process has no rules to remove. Of one that was captured and whose address nobody tells this cannot be known: that is an
   * error, and it is looked for again.
   */
  #tryOpen(pod: KubernetesObject, ips: readonly string[]): HeldPod | undefined {
    try {
      return this.#open(pod, ips);
    } catch (error) {
      const isUnknown = ips.length === 0 && pod.metadata?.annotations?.[redirectionAnnotation] === 'enabled';
      if (!isUnknown && error instanceof NodeAgentError && error.code === 'ERR_NODE_AGENT_NETNS') return undefined;
      throw error;
    }
  }
}
