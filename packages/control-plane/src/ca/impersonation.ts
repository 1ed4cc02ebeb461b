// May a node proxy ask for the identity of a pod? Only when such a pod runs on its own node (spec control-plane 5.4).
// In: the caller and the identity. Out: why not, or undefined. Called by the CA service; main thread.
import type { SpiffeId } from '@ambit/identity';
import type { Caller } from '../clients/authenticate.ts';
import type { PodIndex } from '../sources/pod-index.ts';

/** Settings of {@link impersonationRefusal}. */
export interface ImpersonationOptions {
  /** Pods of a cluster of the mesh; undefined = there is none of that id. */
  readonly podsOf: (clusterId: string) => PodIndex | undefined;
  /** `<namespace>/<service account>` of node proxies. */
  readonly trustedAccounts: ReadonlySet<string>;
  readonly trustDomains: () => readonly string[];
  /** How long a request waits for our watch to see the pod. Default 1 000 ms. */
  readonly waitMs?: number;
}

/** Why the caller may not act for `wanted`; undefined = it may. */
export async function impersonationRefusal(
  options: ImpersonationOptions,
  caller: Caller,
  wanted: SpiffeId,
  clusterId: string | undefined,
): Promise<string | undefined> {
  const { trustedAccounts, waitMs = 1_000 } = options;
  const account = `${caller.namespace}/${caller.serviceAccount}`;
  if (!trustedAccounts.has(account)) return `${account} is not a trusted node account`;
  if (caller.podName === '' || caller.podUid === '') return 'the token is not bound to a pod';
  const pods = clusterId === undefined ? undefined : options.podsOf(clusterId);
  if (pods === undefined) return `cluster ${clusterId ?? '(none)'} is not known`;
  if (clusterId !== caller.clusterId) return `the token is of cluster ${caller.clusterId}`;
  if (!options.trustDomains().includes(wanted.trustDomain)) return `trust domain ${wanted.trustDomain} is not ours`;
  const deadline = Date.now() + waitMs;
  for (;;) {
    const refusal = placeRefusal(pods, caller, wanted);
    const leftMs = deadline - Date.now();
    if (refusal === undefined || leftMs <= 0) return refusal;
    await pods.nextChange(leftMs);
  }
}

function placeRefusal(pods: PodIndex, caller: Caller, wanted: SpiffeId): string | undefined {
  const own = pods.pod(caller.namespace, caller.podName);
  if (own === undefined) return `pod ${caller.namespace}/${caller.podName} is not known`;
  if (own.uid !== caller.podUid) return `pod ${caller.namespace}/${caller.podName} has another uid`;
  if (own.serviceAccount !== caller.serviceAccount) return `pod ${caller.podName} has another service account`;
  if (pods.runsOn(own.node, wanted.namespace, wanted.serviceAccount)) return undefined;
  return `no pod of ${wanted.namespace}/${wanted.serviceAccount} on node ${own.node}`;
}
