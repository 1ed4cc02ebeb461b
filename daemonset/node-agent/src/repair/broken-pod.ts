// In: a pod. Out: whether it is one that started before sidecar redirection was there. Pure. Called by repair-pods.ts.
// Source: spec node-agent 6.8.
import type { KubernetesObject } from '@ambit/resources';

/** What a broken pod looks like. */
export interface BrokenPodFilter {
  /** Annotation that only pods with a sidecar have. */
  readonly sidecarAnnotation: string;
  /** Init container that finds out, and how it ends then. */
  readonly initContainer: string;
  readonly exitCode: number;
  /** Text that it ends with; empty: any. */
  readonly message: string;
}

interface Terminated {
  readonly exitCode?: number;
  readonly reason?: string;
  readonly message?: string;
}

interface ContainerStatus {
  readonly name?: string;
  readonly state?: { readonly terminated?: Terminated };
  readonly lastState?: { readonly terminated?: Terminated };
}

/** True when the init container failed in the named way the last time and has not succeeded since. */
export function isBroken(pod: KubernetesObject, filter: BrokenPodFilter): boolean {
  if (pod.metadata?.annotations?.[filter.sidecarAnnotation] === undefined) return false;
  const { initContainerStatuses } = (pod['status'] ?? {}) as { initContainerStatuses?: readonly ContainerStatus[] };
  return (initContainerStatuses ?? []).some(({ name, state, lastState }) => {
    const now = state?.terminated;
    if (name !== filter.initContainer || now?.reason === 'Completed' || now?.exitCode === 0) return false;
    const last = lastState?.terminated;
    if (last?.exitCode !== filter.exitCode) return false;
    return filter.message === '' || last.message?.trim() === filter.message;
  });
}
