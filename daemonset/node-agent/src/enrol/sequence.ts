// In: decisions about pods. Out: the ordered add and remove of one pod, one lock per UID, retried with backoff. Step 3 of path 5.
// Called by the reconciler. Main thread. Source: spec node-agent 1.6; gaps G5 and G6: a namespace is given up only after its rules are gone,
// and is looked up again when it is not held; G11: a removal needs no namespace object.
import type { NetnsHandle } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import { NodeAgentError } from '../errors.ts';
import type { HostRules } from '../rules/host.ts';
import { addressesOf } from '../select/pod-events.ts';
import type { ZdsServer } from '../zds/server.ts';
import { podConnections } from './connection-table.ts';
import { KeyedLock } from './lock.ts';
import type { HeldPod, NetnsCache } from './netns-cache.ts';
import { redirectionPatch } from './status.ts';
import type { UnprotectedConnections } from './unprotected.ts';

/** How pods are captured on this node. */
export interface CaptureBackend {
  /** An open namespace of the pod, owned by the caller; undefined where pods have none. Throws ERR_NODE_AGENT_NETNS. */
  readonly open: (uid: string, ips: readonly string[]) => NetnsHandle | undefined;
  readonly installRules: (pod: HeldPod, object: KubernetesObject) => Promise<void>;
  readonly removeRules: (pod: HeldPod) => Promise<void>;
  /** Undefined where probes need no exemption. */
  readonly host: HostRules | undefined;
}

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

/** Enrols and removes pods. */
export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #lock = new KeyedLock();

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /** True when this agent holds the pod. */
  holds(uid: string): boolean {
    return this.#parts.cache.get(uid) !== undefined;
  }

  /** Steps 4 to 9 for one pod. Idempotent. Rejects with the failure of the first step that failed. */
  async enrol(pod: KubernetesObject, ips: readonly string[]): Promise<void> {
    await this.#lock.run(uidOf(pod), async () => this.#enrol(pod, ips));
  }

  /** The reverse. `gone`: the pod's namespace is going away by itself. Idempotent. */
  async remove(pod: KubernetesObject, gone: boolean): Promise<void> {
    await this.#lock.run(uidOf(pod), async () => this.#remove(pod, gone));
  }

  #open(pod: KubernetesObject, ips: readonly string[]): HeldPod {
    const { cache, capture } = this.#parts;
    const uid = uidOf(pod);
    const spec = pod['spec'] as { serviceAccountName?: string } | undefined;
    return cache.put({
      uid,
      workload: {
        name: pod.metadata?.name ?? '',
        namespace: pod.metadata?.namespace ?? '',
        serviceAccount: spec?.serviceAccountName ?? 'default',
      },
      ips,
      netns: capture.open(uid, ips),
    });
  }

  async #enrol(pod: KubernetesObject, ips: readonly string[]): Promise<void> {
    const { cache, zds, source, capture, unprotected, log } = this.#parts;
    const started = performance.now();
    const uid = uidOf(pod);
    const held = this.#open(pod, ips);
    try {
      unprotected.begin(
        uid,
        podConnections(held),
        ({ remoteAddress, localAddress }) =>
          !ips.includes(remoteAddress) && !(held.netns !== undefined && localAddress.startsWith('127.')),
      );
      await capture.installRules(held, pod);
    } catch (error) {
      // Without rules the pod is not in the mesh: nothing of it may reach a proxy's snapshot.
      cache.drop(uid);
      unprotected.forget(uid);
      throw error;
    }
    try {
      await zds.add(held);
    } catch (error) {
      await source.patchPodStatus(pod, redirectionPatch('pending'));
      throw error;
    }
    await capture.host?.add(uid, ips);
    // Last, because the control plane lets peers send tunnels as soon as it sees this.
    await source.patchPodStatus(pod, redirectionPatch('enabled'));
    log.info('pod enrolled', {
      ...fields(pod),
      ips: ips.join(','),
      durationMs: Math.round(performance.now() - started),
      unprotectedConnections: unprotected.count(uid),
    });
  }

  async #remove(pod: KubernetesObject, gone: boolean): Promise<void> {
    const { cache, zds, source, capture, unprotected, log } = this.#parts;
    const uid = uidOf(pod);
    const ips = cache.get(uid)?.ips ?? addressesOf(pod);
    await capture.host?.remove(uid, ips);
    if (!gone) {
      const held = cache.get(uid) ?? this.#tryOpen(pod, ips);
      if (held !== undefined) await capture.removeRules(held);
    }
    await zds.delete(uid);
    cache.drop(uid);
    unprotected.forget(uid);
    if (!gone) await source.patchPodStatus(pod, redirectionPatch(undefined));
    log.info('pod removed from the mesh', { ...fields(pod), gone });
  }

  /** A pod without a process has no rules to remove. */
  #tryOpen(pod: KubernetesObject, ips: readonly string[]): HeldPod | undefined {
    try {
      return this.#open(pod, ips);
    } catch (error) {
      if (error instanceof NodeAgentError && error.code === 'ERR_NODE_AGENT_NETNS') return undefined;
      throw error;
    }
  }
}
