// In: pods with a sidecar on this node. Out: those that started before their redirection was there are deleted or labelled, as the operator
// chose. Called by app.ts. Main thread. Source: spec node-agent 6.8. Pods of the ambient mesh need none of this: they are captured late.
import { createBackoff } from '@ambit/runtime/backoff';
import { sleep } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { KubernetesObject } from '@ambit/resources';
import type { NodeAgentConfig } from '../config.ts';
import type { PodEvent, PodSource } from '../cluster/pod-source.ts';
import { type BrokenPodFilter, isBroken } from './broken-pod.ts';

/** What is done with a broken pod. `repair`: nothing, because this agent cannot; upstream makes sidecar rules in the running pod. */
export type RepairMode = 'delete' | 'label' | 'repair' | 'off';

/** The first of upstream's three switches that this agent can follow. Pure. */
export function repairModeOf(
  config: Pick<NodeAgentConfig, 'REPAIR_ENABLED' | 'REPAIR_REPAIR_PODS' | 'REPAIR_DELETE_PODS' | 'REPAIR_LABEL_PODS'>,
): RepairMode {
  if (!config.REPAIR_ENABLED) return 'off';
  if (config.REPAIR_DELETE_PODS) return 'delete';
  if (config.REPAIR_LABEL_PODS) return 'label';
  return config.REPAIR_REPAIR_PODS ? 'repair' : 'off';
}

/** What the controller works with. */
export interface RepairParts {
  readonly mode: RepairMode;
  readonly filter: BrokenPodFilter;
  /** Label of a broken pod. */
  readonly label: readonly [key: string, value: string];
  readonly source: Pick<PodSource, 'deletePod' | 'labelPod' | 'tell'>;
  readonly log: Logger;
  readonly onRepair: (type: RepairMode, result: 'success' | 'fail' | 'skip') => void;
  /** Replaced in tests. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const attempts = 5;

/** Looks after pods until closed. Each is dealt with once per UID. */
export class RepairController {
  readonly #parts: RepairParts;
  readonly #seen = new Set<string>();
  readonly #stop = new AbortController();

  constructor(parts: RepairParts) {
    this.#parts = parts;
  }

  /** A pod was seen or has changed. Resolves when nothing more is done about it. Never rejects. */
  async onPod(pod: KubernetesObject): Promise<void> {
    const { mode, filter, log, onRepair } = this.#parts;
    const uid = pod.metadata?.uid ?? '';
    if (this.#seen.has(uid) || !isBroken(pod, filter)) return;
    this.#seen.add(uid);
    const facts = { pod: pod.metadata?.name, namespace: pod.metadata?.namespace, uid };
    if (mode === 'repair') {
      log.warn('a pod started without its sidecar redirection and is left as it is', {
        ...facts,
        why: 'this agent makes no sidecar rules',
        try: 'REPAIR_DELETE_PODS=true, or move the pod to the ambient mesh',
      });
      onRepair(mode, 'skip');
      return;
    }
    const result = await this.#tryFor(pod, facts);
    onRepair(mode, result);
    // One that failed may be looked at again with its next change.
    if (result === 'fail') this.#seen.delete(uid);
  }

  /** A pod is gone. */
  forget(uid: string): void {
    this.#seen.delete(uid);
  }

  /** Stops; what is under way ends with its attempt. */
  close(): void {
    this.#stop.abort();
  }

  async #tryFor(pod: KubernetesObject, facts: Readonly<Record<string, unknown>>): Promise<'success' | 'fail'> {
    const { mode, log, pause = async (ms, signal) => sleep(ms, { signal }) } = this.#parts;
    const backoff = createBackoff({ initialMs: 100, maxMs: 5000 });
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      try {
        if (attempt > 1) await pause(backoff.next(), this.#stop.signal);
        await this.#act(pod);
        log.info('a pod that started without its sidecar redirection was dealt with', { ...facts, action: mode });
        return 'success';
      } catch (error) {
        log.warn('a broken pod could not be dealt with', { ...facts, action: mode, attempt, error: messageOf(error) });
        if (this.#stop.signal.aborted) break;
      }
    }
    return 'fail';
  }

  async #act(pod: KubernetesObject): Promise<void> {
    const { mode, label, source } = this.#parts;
    if (mode === 'label') await source.labelPod(pod, { [label[0]]: label[1] });
    else await source.deletePod(pod);
    const event: PodEvent =
      mode === 'label'
        ? {
            type: 'Warning',
            reason: 'LabelBrokenPod',
            message: `The pod started before its sidecar redirection was there and has the label ${label.join('=')} now.`,
          }
        : {
            type: 'Warning',
            reason: 'DeleteBrokenPod',
            message: 'The pod started before its sidecar redirection was there and was deleted, to be made anew.',
          };
    await source.tell(pod, event).catch(() => undefined); // nothing depends on it
  }
}
