// In: the pods of this node, what the agent holds. Out: for each pod that belongs in the mesh whether it is captured: the number that must
// reach zero after a node restart, and what an operator asks for. Pure. Called by app.ts for metrics and the debug page.
// Source: spec node-agent 7.7 and 8.4; gaps G16 (the annotation is not trusted) and G26.
import type { KubernetesObject } from '@ambit/resources';
import { shouldBeEnrolled, type SelectionRules } from '../select/eligible.ts';
import { addressesOf, hasEnded } from '../select/pod-events.ts';
import type { HeldPod } from './netns-cache.ts';
import { redirectionAnnotation } from './status.ts';

/** One pod that belongs in the mesh. */
export interface PodState {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** `captured`: this agent put the rules in place. `unprotected`: what it sends may be plaintext. `waiting`: it has no sandbox yet. */
  readonly state: 'captured' | 'unprotected' | 'waiting';
  readonly annotation: string | undefined;
  readonly ips: readonly string[];
  /** Inode of the network namespace that is held. */
  readonly netns: string | undefined;
}

/** What the states are made of. */
export interface PodStateParts {
  readonly pods: () => readonly KubernetesObject[];
  readonly namespace: (name: string) => KubernetesObject | undefined;
  readonly held: (uid: string) => HeldPod | undefined;
  readonly rules: SelectionRules;
}

function stateOf(pod: KubernetesObject, held: HeldPod | undefined): PodState['state'] {
  if (held?.capture === 'installed') return 'captured';
  const { phase } = (pod['status'] ?? {}) as { phase?: string };
  // Without an address no sandbox is known of; one that is being made waits for the plugin.
  return addressesOf(pod).length > 0 || phase === 'Running' ? 'unprotected' : 'waiting';
}

/** Every pod of this node that belongs in the mesh and has not ended. */
export function podStates({ pods, namespace, held, rules }: PodStateParts): readonly PodState[] {
  return pods().flatMap((pod) => {
    const { uid = '', name = '', namespace: space = '', annotations } = pod.metadata ?? {};
    const around = namespace(space);
    if (hasEnded(pod) || around === undefined || !shouldBeEnrolled(pod, around, rules)) return [];
    const known = held(uid);
    return [
      {
        uid,
        name,
        namespace: space,
        state: stateOf(pod, known),
        annotation: annotations?.[redirectionAnnotation],
        ips: known?.ips ?? addressesOf(pod),
        netns: known?.netns?.inode.toString(),
      },
    ];
  });
}

/** Number of pods whose traffic may leave in plaintext. */
export const countUnprotected = (states: readonly PodState[]): number =>
  states.filter(({ state }) => state === 'unprotected').length;
