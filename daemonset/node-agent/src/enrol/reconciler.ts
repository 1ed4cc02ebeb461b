// In: events of pods and namespaces. Out: every pod brought to where it belongs, retried until it is. Called by app.ts. Main thread.
import { createBackoff, type Backoff } from '@ambit/runtime/backoff';
import { codeOf, explain } from '@ambit/runtime/errors';
import type { KubernetesObject } from '@ambit/resources';
import type { Logger } from '@ambit/runtime/log';
import type { PodEvent, PodSource } from '../cluster/pod-source.ts';
import type { SelectionRules } from '../select/eligible.ts';
import { decide } from '../select/pod-events.ts';
import type { Enrolment } from './sequence.ts';

interface Work {
  /** Undefined while the pod exists; its last state once it is deleted. */
  gone: KubernetesObject | undefined;
  isRunning: boolean;
  isStale: boolean;
  timer: NodeJS.Timeout | undefined;
  readonly backoff: Backoff;
  /** Code of the failure that the pod's events already tell. */
  told: string | undefined;
}

/** What the reconciler needs. */
export interface ReconcilerOptions {
  readonly source: PodSource;
  readonly enrolment: Enrolment;
  readonly rules: SelectionRules;
  readonly log: Logger;
  readonly onEvent: (type: 'add' | 'update' | 'delete') => void;
}

/** One worker per pod; pods do not wait for each other. */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #work = new Map<string, Work>();
  readonly #pods = new Map<string, KubernetesObject>();
  #isClosed = false;
  /** How often {@link retryNow} was called. */
  #retryAsked = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  /** A pod was seen or has changed. */
  onPod(pod: KubernetesObject): void {
    const uid = pod.metadata?.uid ?? '';
    this.#options.onEvent(this.#pods.has(uid) ? 'update' : 'add');
    this.#pods.set(uid, pod);
    this.#wake(uid);
  }

  /** A pod was deleted. */
  onPodGone(pod: KubernetesObject): void {
    const uid = pod.metadata?.uid ?? '';
    this.#options.onEvent('delete');
    this.#pods.delete(uid);
    this.#entry(uid).gone = pod;
    this.#wake(uid);
  }

  /** A namespace was seen or has changed: every pod of it is looked at again. */
  onNamespace(namespace: KubernetesObject): void {
    for (const [uid, pod] of this.#pods) if (pod.metadata?.namespace === namespace.metadata?.name) this.#wake(uid);
  }

  /** What is waiting for its next attempt is tried now: what it waited for may be there, a node proxy for example. */
  retryNow(): void {
    this.#retryAsked += 1;
    for (const [uid, work] of this.#work) {
      if (work.timer === undefined) continue;
      work.backoff.reset();
      this.#wake(uid);
    }
  }

  /** Stops retries; what is running ends by itself. */
  close(): void {
    this.#isClosed = true;
    for (const work of this.#work.values()) clearTimeout(work.timer);
  }

  #entry(uid: string): Work {
    const known = this.#work.get(uid);
    if (known !== undefined) return known;
    const work: Work = {
      gone: undefined,
      isRunning: false,
      isStale: false,
      timer: undefined,
      backoff: createBackoff({ initialMs: 50, maxMs: 5000 }),
      told: undefined,
    };
    this.#work.set(uid, work);
    return work;
  }

  #wake(uid: string): void {
    if (this.#isClosed) return;
    const work = this.#entry(uid);
    work.isStale = true;
    if (!work.isRunning) void this.#run(uid, work);
  }

  /** Runs until the pod is where it belongs. Never rejects. */
  async #run(uid: string, work: Work): Promise<void> {
    work.isRunning = true;
    clearTimeout(work.timer);
    work.timer = undefined;
    while (work.isStale && !this.#isClosed) {
      work.isStale = false;
      const asked = this.#retryAsked;
      try {
        await this.#step(uid, work);
        work.backoff.reset();
        this.#tellSuccess(uid, work);
      } catch (error) {
        // Asked for while this attempt, which knows nothing of it yet, was failing.
        if (asked !== this.#retryAsked) work.backoff.reset();
        this.#retryLater(uid, work, error);
        break;
      }
    }
    work.isRunning = false;
    if (!this.#pods.has(uid) && work.gone === undefined) this.#work.delete(uid);
  }

  async #step(uid: string, work: Work): Promise<void> {
    const { source, enrolment, rules } = this.#options;
    const { gone } = work;
    if (gone !== undefined) {
      if (enrolment.holds(uid)) await enrolment.remove(gone, true);
      work.gone = undefined;
      return;
    }
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    const action = decide(pod, source.namespace(pod.metadata?.namespace ?? ''), enrolment.captured(uid), rules);
    if (action.kind === 'enrol') await enrolment.enrol(pod, action.ips);
    else if (action.kind === 'readdress') await enrolment.readdress(pod, action.ips);
    else if (action.kind === 'remove') await enrolment.remove(pod, action.gone);
  }

  #retryLater(uid: string, work: Work, error: unknown): void {
    const delayMs = work.backoff.next();
    const pod = work.gone ?? this.#pods.get(uid);
    this.#options.log.warn('pod not in the state it should be in yet', {
      pod: pod?.metadata?.name,
      namespace: pod?.metadata?.namespace,
      code: codeOf(error),
      error: explain(error),
      retryMs: Math.round(delayMs),
    });
    work.timer = setTimeout(() => this.#wake(uid), delayMs);
    work.timer.unref();
    // Once per kind of failure: the retries go on, the user's list of events does not grow with them.
    const code = codeOf(error) ?? 'unknown';
    if (pod === undefined || work.gone !== undefined || work.told === code) return;
    work.told = code;
    this.#tell(pod, { type: 'Warning', reason: 'AmbientCaptureFailed', message: explain(error) });
  }

  #tellSuccess(uid: string, work: Work): void {
    if (work.told === undefined) return;
    work.told = undefined;
    const pod = this.#pods.get(uid);
    if (pod === undefined) return;
    this.#tell(pod, { type: 'Normal', reason: 'AmbientCaptureSettled', message: 'The pod is where it belongs now.' });
  }

  #tell(pod: KubernetesObject, event: PodEvent): void {
    this.#options.source
      .tell(pod, event)
      .catch((error: unknown) => this.#options.log.debug('event not written', { error: explain(error) }));
  }
}
