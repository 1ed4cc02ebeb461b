// In: pods that an earlier agent enrolled. Out: all of them held again before any proxy is accepted. Called by app.ts at start.
// Source: spec node-agent 7.3; gap G12: what goes wrong with rules never leaves a pod out of the snapshot.
import type { KubernetesObject } from '@ambit/resources';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { PodSource } from '../cluster/pod-source.ts';
import type { UnprotectedConnections } from '../unprotected/connections.ts';
import { isNodeProxy, type SelectionRules } from '../select/eligible.ts';
import { addressesOf, hasEnded, ruleWishesOf, searchedGroupUidOf } from '../select/pod-events.ts';
import type { CaptureBackend } from './capture-backend.ts';
import type { NetnsCache } from './netns-cache.ts';
import { heldPodOf } from './sequence.ts';
import { redirectionAnnotation } from './status.ts';

/** What the agent takes over with. */
export interface AdoptParts {
  readonly source: Pick<PodSource, 'pods'>;
  readonly cache: NetnsCache;
  readonly capture: CaptureBackend;
  readonly unprotected: UnprotectedConnections;
  readonly rules: Pick<SelectionRules, 'systemNamespace'>;
  readonly log: Logger;
}

/** A pod that the plugin enrolled a moment ago has addresses that the API does not tell yet; the exemption of its probes does. */
async function addressesLeft(
  pods: readonly KubernetesObject[],
  { host }: CaptureBackend,
): Promise<(uid: string) => readonly string[]> {
  if (host === undefined || pods.every((pod) => addressesOf(pod).length > 0)) return () => [];
  const left = [...(await host.left())];
  return (uid) => left.filter(([, owner]) => owner === uid).map(([ip]) => ip);
}

/**
 * Holds every pod annotated `enabled`, first by name alone (a proxy is told to keep it), then with its namespace. Then node and pods get
 * their rules. One pod's failure does not stop the others; the reconciler takes it up again. Never rejects for a pod; rejects when the
 * node's own rules cannot be written.
 */
export async function adoptEnrolled({ source, cache, capture, unprotected, rules, log }: AdoptParts): Promise<void> {
  const all = source.pods();
  const enrolled = all.filter(
    (pod) =>
      pod.metadata?.annotations?.[redirectionAnnotation] === 'enabled' && !hasEnded(pod) && !isNodeProxy(pod, rules),
  );
  const left = await addressesLeft(enrolled, capture);
  const pods = enrolled.map((pod) => {
    const uid = pod.metadata?.uid ?? '';
    const ips = addressesOf(pod);
    return { pod, uid, ips: ips.length > 0 ? ips : left(uid), groupUid: searchedGroupUidOf(pod, all) };
  });
  const found = capture.find(pods);
  for (const { pod, uid, ips } of pods) cache.put(heldPodOf(pod, ips, found.get(uid), 'expected'));
  await capture.host?.reset(new Map(pods.flatMap(({ uid, ips }) => ips.map((ip) => [ip, uid] as const))));
  for (const { pod, uid } of pods) {
    const held = cache.get(uid);
    if (held === undefined || (capture.hasNamespaces && held.netns === undefined)) continue;
    try {
      unprotected.begin(uid, held.netns?.inode, {
        connections: () => capture.connections(held),
        uncarried: () => capture.uncarried(held, pod),
      });
      const printed = await capture.installRules(held, pod);
      cache.put({ ...held, capture: 'installed', wishes: ruleWishesOf(pod), printed });
      unprotected.settle(uid);
    } catch (error) {
      log.warn('rules of an enrolled pod could not be renewed', {
        pod: pod.metadata?.name,
        namespace: pod.metadata?.namespace,
        error: messageOf(error),
        try: 'it is tried again; if that does not help, restart the pod',
      });
    }
  }
  log.info('enrolled pods taken over', { pods: pods.length, namespaces: found.size });
}
