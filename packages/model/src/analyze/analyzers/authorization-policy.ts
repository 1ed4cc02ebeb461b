// auth.AuthorizationPoliciesAnalyzer: policies that select nobody (IST0127) and namespaces in rules that do not exist (IST0101).
import type { Labels } from '../../labels.ts';
import { mapOf, mapsOf, optionalMap, textOf, textsOf } from '../../validate/json.ts';
import type { AnalysisView, Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { isPodCaptured, isPodInSidecarMesh } from '../in-mesh.ts';
import { type Message, messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';

type Report = (message: Message) => void;

/** See the file's comment. */
export const authorizationPolicyAnalyzer: Analyzer = {
  name: 'auth.AuthorizationPoliciesAnalyzer',
  description: 'Checks the validity of authorization policies',
  inputs: ['AuthorizationPolicy', 'Namespace', 'Pod'],
  analyze: (view, report) => {
    const pods = meshPods(view);
    const namespaces = [...view.objects.all('Namespace')].map(({ name }) => name);
    for (const policy of view.objects.all('AuthorizationPolicy')) {
      checkSelection(policy, view, pods, report);
      checkNamespaces(policy, namespaces, report);
    }
  },
};

/** Labels of pods in the mesh, by namespace. */
function meshPods({ objects }: AnalysisView): ReadonlyMap<string, readonly Labels[]> {
  const pods = new Map<string, Labels[]>();
  for (const pod of objects.all('Pod')) {
    if (!isPodCaptured(pod) && !isPodInSidecarMesh(pod, objects)) continue;
    const list = pods.get(pod.namespace);
    if (list === undefined) pods.set(pod.namespace, [pod.labels]);
    else list.push(pod.labels);
  }
  return pods;
}

function checkSelection(
  policy: Subject,
  { mesh }: AnalysisView,
  pods: ReadonlyMap<string, readonly Labels[]>,
  report: Report,
): void {
  const tell = (labels: string): void =>
    report(
      messageOf('IST0127', policy, `No matching workloads for this resource with the following labels: ${labels}`),
    );
  const given = optionalMap(policy.spec['selector']);
  const isMeshWide = policy.namespace === (textOf(mesh['rootNamespace']) || 'istio-system');
  const candidates = isMeshWide ? [...pods.values()].flat() : (pods.get(policy.namespace) ?? []);
  if (given === undefined) {
    if (!isMeshWide && candidates.length === 0) tell('');
    return;
  }
  const selector = pairSelector(given['matchLabels']);
  if (!candidates.some((labels) => selector.matches(labels))) tell(selector.text);
}

function checkNamespaces(policy: Subject, namespaces: readonly string[], report: Report): void {
  for (const [i, rule] of mapsOf(policy.spec['rules']).entries()) {
    for (const [j, from] of mapsOf(rule['from']).entries()) {
      const source = mapOf(from['source']);
      for (const field of ['namespaces', 'notNamespaces']) {
        for (const [k, text] of textsOf(source[field]).entries()) {
          if (namespaces.some((name) => isNamespaceMatch(name, text))) continue;
          const path = `.spec.rules[${i}].from[${j}].source.namespaces[${k}]`;
          report(messageOf('IST0101', policy, `Referenced namespace not found: ${quoted(text)}`, path));
        }
      }
    }
  }
}

function isNamespaceMatch(name: string, expression: string): boolean {
  if (expression === '*') return true;
  if (expression.startsWith('*')) return name.endsWith(expression.slice(1));
  if (expression.endsWith('*')) return name.startsWith(expression.slice(0, -1));
  return name.toLowerCase() === expression.toLowerCase();
}
