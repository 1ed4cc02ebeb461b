// In: ways to read the agent's own DaemonSet and its node. Out: whether a successor comes or the mesh leaves this node. Called by
// kube-pod-source.ts when the agent stops. Source: spec node-agent 7.6.
import { KubeError } from '@ambit/kube';
import type { KubernetesObject } from '@ambit/resources';
import { matchesNode, requiredTermsOf } from './node-affinity.ts';
import type { OwnFate } from './pod-source.ts';

/** Reads one object; undefined when there is none. Rejects with KubeError. */
export type ReadObject = () => Promise<KubernetesObject | undefined>;

/**
 * Decides. Where the API may not be asked any more the account went first, so the mesh is being removed; any other error is a bad moment, in
 * which pods must not lose their mesh. Never rejects.
 */
export async function decideFate(readDaemonSet: ReadObject, readNode: ReadObject): Promise<OwnFate> {
  try {
    const own = await readDaemonSet();
    if (own === undefined || own.metadata?.deletionTimestamp !== undefined) return 'removed';
    const terms = requiredTermsOf(own);
    if (terms === undefined) return 'keep';
    const node = await readNode();
    return node === undefined || matchesNode(terms, node) ? 'keep' : 'removed';
  } catch (error) {
    return KubeError.is(error, 'ERR_KUBE_UNAUTHORIZED', 'ERR_KUBE_FORBIDDEN') ? 'refused' : 'keep';
  }
}
