// annotations.K8sAnalyzer: annotations of the mesh that are unknown, misplaced, deprecated or unreadable (IST0107, IST0108,
// IST0125, IST0135).
import type { Analyzer } from '../analyzer.ts';
import { knownAnnotations } from '../annotations/known.ts';
import { problemOfAnnotation } from '../annotations/values.ts';
import { quoted } from '../go-text.ts';
import { SIDECAR_INJECT } from '../in-mesh.ts';
import { type Message, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

/** Annotations that controllers write: nobody's mistake. */
const WRITTEN_BY_CONTROLLERS = new Set([
  'sidecar.istio.io/status',
  'gateway.istio.io/controller-version',
  'istio.io/rev',
]);

/** See the file's comment. */
export const annotationsAnalyzer: Analyzer = {
  name: 'annotations.K8sAnalyzer',
  description: 'Checks for misplaced and invalid Istio annotations in Kubernetes resources',
  inputs: ['Namespace', 'Service', 'Pod', 'Deployment'],
  analyze: ({ objects }, report) => {
    for (const kind of ['Namespace', 'Service', 'Pod', 'Deployment'] as const) {
      for (const subject of objects.all(kind)) {
        for (const [name, value] of Object.entries(subject.annotations)) {
          if (isOurs(name) && !WRITTEN_BY_CONTROLLERS.has(name)) checkAnnotation(subject, name, value, report);
        }
      }
    }
  },
};

function isOurs(name: string): boolean {
  return name === 'kubernetes.io/ingress.class' || (name.split('/')[0] ?? '').endsWith('istio.io');
}

function checkAnnotation(subject: Subject, name: string, value: string, report: (message: Message) => void): void {
  const known = knownAnnotations.get(name);
  if (known === undefined) {
    report(messageOf('IST0108', subject, `Unknown annotation: ${name}`));
    return;
  }
  // Whoever has the label as well knows that the annotation is old.
  if (known.isDeprecated && !(name === SIDECAR_INJECT && subject.labels[SIDECAR_INJECT] !== undefined)) {
    const hint = name === SIDECAR_INJECT ? ` in favor of the "${SIDECAR_INJECT}" label` : '';
    const text = `Annotation ${quoted(name)} has been deprecated${hint} and may not work in future Istio versions.`;
    report(messageOf('IST0135', subject, text));
  }
  if (known.kinds.includes('Any')) return;
  if (!known.kinds.includes(subject.kind)) {
    const text = `Misplaced annotation: ${name} can only be applied to ${known.kinds.join(', ')}`;
    report(messageOf('IST0107', subject, text));
    return;
  }
  const problem = problemOfAnnotation(name, value);
  if (problem !== undefined) report(messageOf('IST0125', subject, `Invalid annotation ${name}: ${problem}`));
}
