// Which pods the mesh should capture, and which gateways it knows (spec node-agent 2, control-plane 1.1). Called by the analyzers of
// this folder. Pure.
import { GATEWAY_NAME } from '../../labels.ts';
import { textOf } from '../../validate/json.ts';
import { DATAPLANE_MODE } from '../in-mesh.ts';
import type { Inventory } from '../inventory.ts';
import type { Subject } from '../subject.ts';

/** True for pods that are labelled into the mesh, themselves or by their namespace, and that have not ended. */
export function shouldBeCaptured(pod: Subject, objects: Inventory): boolean {
  const phase = textOf(pod.status['phase']);
  if (phase === 'Succeeded' || phase === 'Failed') return false;
  const own = pod.labels[DATAPLANE_MODE];
  if (own !== undefined) return own === 'ambient';
  return objects.find('Namespace', pod.namespace)?.labels[DATAPLANE_MODE] === 'ambient';
}

/** Pods of a namespace that should be captured and are no instances of gateways. */
export function meshPodsIn(namespace: string, objects: Inventory): Subject[] {
  return objects
    .podsIn(namespace)
    .filter((pod) => pod.labels[GATEWAY_NAME] === undefined && shouldBeCaptured(pod, objects));
}

/** Name of the node of a pod, or a word for none. */
export const nodeOf = (pod: Subject): string => textOf(pod.spec['nodeName']) || '(none yet)';
