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

/**
 * `keep`: a successor comes, its traces stay. `removed`: the DaemonSet is gone or going, or its node
 * affinity excludes this node now: the mesh leaves this node. `refused`: this agent may not
 * ask any more, because its account went first; what needs no API is removed.
 */
export type OwnFate = 'keep' | 'removed' | 'refused';

/** Selectors as the API reads them; empty ones select everything. */
export interface PodSelectors {
  readonly labels: string;
  readonly fields: string;
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
  /** Calls `onPod` with every pod of the node that the selectors match, as often as it changes, until closed. */
  readonly watchPods: (
    selectors: PodSelectors,
    onPod: (pod: KubernetesObject) => void,
    onGone: (uid: string) => void,
  ) => void;
  /** Deletes exactly this pod, unless it has changed since. Rejects with KubeError. */
  readonly deletePod: (pod: KubernetesObject) => Promise<void>;
  /** Rejects with KubeError. */
  readonly labelPod: (pod: KubernetesObject, labels: Readonly<Record<string, string>>) => Promise<void>;
  /** What the agent's own DaemonSet says about the mesh. */
  readonly fateOfOwnDaemonSet: () => Promise<OwnFate>;
  readonly close: () => void;
}
