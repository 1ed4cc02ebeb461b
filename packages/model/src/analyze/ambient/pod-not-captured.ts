// ambient.PodNotCaptured: pods that are labelled into the mesh and stand outside of it, with the reason (AMB0101).
import { REDIRECTION } from '../../labels.ts';
import type { Analyzer } from '../analyzer.ts';
import { isPodCaptured } from '../in-mesh.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';
import { nodeOf, shouldBeCaptured } from './enrolment.ts';

/** See the file's comment. */
export const podNotCapturedAnalyzer: Analyzer = {
  name: 'ambient.PodNotCaptured',
  description: 'Finds pods that are labelled into the ambient mesh and are not captured',
  inputs: ['Pod', 'Namespace'],
  analyze: ({ objects }, report) => {
    for (const pod of objects.all('Pod')) {
      if (isPodCaptured(pod) || !shouldBeCaptured(pod, objects)) continue;
      const text = `The pod ${pod.fullName} should be in the mesh and is not captured: ${reasonOf(pod)}.`;
      report(messageOf('AMB0101', pod, text));
    }
  },
};

function reasonOf(pod: Subject): string {
  if (pod.spec['hostNetwork'] === true) return "it uses the host's network, which is never captured";
  if (pod.annotations['sidecar.istio.io/status'] !== undefined) return 'it has a sidecar';
  if (pod.annotations[REDIRECTION] === 'pending') {
    return `the rules are in place, but no node proxy on node ${nodeOf(pod)} has accepted it`;
  }
  return `the node agent on node ${nodeOf(pod)} has not enrolled it`;
}
