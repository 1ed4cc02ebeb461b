// What the agent needs of the Kubernetes API. Implemented by kube-pod-source.ts; doubles in tests.
import type { KubernetesObject } from '@ambit/resources';

/** Events of this node's pods and of all namespaces. */
export interface PodSourceEvents {
  readonly onPod: (pod: KubernetesObject) => void;
  readonly onPodGone: (pod: KubernetesObject) => void;
  readonly onNamespace: (namespace: KubernetesObject) => void;
}

/** What users see in `kubectl describe pod`. */
export interface PodEvent {
  readonly type: 'Normal' | 'Warning';
  /** One word in PascalCase. */
  readonly reason: string;
  /** Fact, cause, remedy. */
  readonly message: string;
}

/** The cluster as this agent sees it. */
export interface PodSource {
  /** Starts watching; resolves when the first lists are complete. */
  readonly start: (events: PodSourceEvents) => Promise<void>;
  readonly pods: () => readonly KubernetesObject[];
  readonly namespace: (name: string) => KubernetesObject | undefined;
  /** Merge patch on the pod's status subresource. A pod that is gone is not an error. */
  readonly patchPodStatus: (pod: KubernetesObject, patch: object) => Promise<void>;
  /** Writes an event about the pod. Rejects when the server refuses; nothing depends on it. */
  readonly tell: (pod: KubernetesObject, event: PodEvent) => Promise<void>;
  /** State of the agent's own DaemonSet: `keep` its traces for a successor, or `remove` them. */
  readonly fateOfOwnDaemonSet: () => Promise<'keep' | 'remove'>;
  readonly close: () => void;
}
