// How pods are captured on this node. Implemented by capture/netns-capture.ts and capture/loopback-capture.ts, used by enrol/.
import type { NetnsHandle } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import type { WantedPod } from '../netns/find.ts';
import type { PrintedRules } from '../rules/apply.ts';
import type { HostRules } from '../rules/host.ts';
import type { TableConnection } from '../unprotected/table.ts';
import type { HeldPod } from './netns-cache.ts';

/** How pods are captured on this node. */
export interface CaptureBackend {
  /** False where pods have no namespaces of their own. */
  readonly hasNamespaces: boolean;
  /** Open namespaces of those pods that can be found, owned by the caller. */
  readonly find: (pods: readonly WantedPod[]) => ReadonlyMap<string, NetnsHandle>;
  /** The namespace at a path of the node (the container runtime names it), owned by the caller. Throws ERR_NODE_AGENT_NETNS. */
  readonly openPath: (path: string) => NetnsHandle;
  /** What must be so in the pod before a proxy listens there. */
  readonly prepare: (pod: HeldPod) => Promise<void>;
  /** The established connections of the pod. */
  readonly connections: (pod: HeldPod) => readonly TableConnection[];
  /** What is open in the pod now and would be carried by a node proxy if it were new, and is not. */
  readonly uncarried: (pod: HeldPod, object: KubernetesObject) => readonly TableConnection[];
  /** Throws ERR_NODE_AGENT_RULES. Idempotent. Returns what the pod has of the mesh from then on, unless others change it. */
  readonly installRules: (pod: HeldPod, object: KubernetesObject) => Promise<PrintedRules>;
  readonly removeRules: (pod: HeldPod) => Promise<void>;
  /** Everything of the mesh in the pod as it is now. `last`: what it was before, which makes looking cheap. */
  readonly printRules: (pod: HeldPod, last: PrintedRules) => Promise<PrintedRules>;
  /** Undefined where probes need no exemption. */
  readonly host: HostRules | undefined;
}
