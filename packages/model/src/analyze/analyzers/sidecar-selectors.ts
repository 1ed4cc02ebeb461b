// sidecar.SelectorAnalyzer: Sidecars that select nobody, that overlap, or that ambient workloads never see (IST0101, IST0110,
// IST0111, IST0167).
import { mapOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText, quoted } from '../go-text.ts';
import { isAmbientNamespace, isPodCaptured } from '../in-mesh.ts';
import type { Inventory } from '../inventory.ts';
import { type Message, messageOf } from '../message.ts';
import { firstLabelPath, pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';

type Report = (message: Message) => void;

/** See the file's comment. */
export const sidecarSelectorsAnalyzer: Analyzer = {
  name: 'sidecar.SelectorAnalyzer',
  description:
    "Validates that sidecars that define a workload selector match at least one pod, and that there aren't multiple sidecar resources that select overlapping pods",
  inputs: ['Sidecar', 'Pod', 'Namespace'],
  analyze: ({ objects }, report) => {
    const ofPods = new Map<Subject, Subject[]>();
    const ofNamespaces = new Map<string, Subject[]>();
    for (const sidecar of objects.all('Sidecar')) {
      const selector = pairSelector(mapOf(sidecar.spec['workloadSelector'])['labels']);
      if (selector.text === '') {
        addTo(ofNamespaces, sidecar.namespace, sidecar);
        continue;
      }
      const pods = objects.podsIn(sidecar.namespace).filter((pod) => selector.matches(pod.labels));
      for (const pod of pods) addTo(ofPods, pod, sidecar);
      if (pods.length > 0) continue;
      const path = firstLabelPath('.spec.workloadSelector.labels', selector);
      report(messageOf('IST0101', sidecar, `Referenced selector not found: ${quoted(selector.text)}`, path));
    }
    const told = new Set<Subject>();
    checkPods(ofPods, told, report);
    checkNamespaces(ofNamespaces, objects, told, report);
  },
};

function addTo<K>(map: Map<K, Subject[]>, key: K, subject: Subject): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [subject]);
  else list.push(subject);
}

const namesOf = (sidecars: readonly Subject[]): string => listText(sidecars.map(({ name }) => name).toSorted());

function tellIneffective(sidecar: Subject, what: string, told: Set<Subject>, report: Report): void {
  if (told.has(sidecar)) return;
  told.add(sidecar);
  const text = `The policy has no impact: ${what} is in ambient mode, the policy has no impact.`;
  report(messageOf('IST0167', sidecar, text));
}

function checkPods(ofPods: ReadonlyMap<Subject, readonly Subject[]>, told: Set<Subject>, report: Report): void {
  for (const [pod, sidecars] of ofPods) {
    const isCaptured = isPodCaptured(pod);
    if (sidecars.length === 1 && !isCaptured) continue;
    for (const sidecar of sidecars) {
      if (isCaptured) tellIneffective(sidecar, 'selected workload', told, report);
      else {
        const text = `The Sidecars ${namesOf(sidecars)} in namespace ${quoted(pod.namespace)} select the same workload pod ${quoted(pod.name)}, which can lead to undefined behavior.`;
        report(messageOf('IST0110', sidecar, text, '.metadata.name'));
      }
    }
  }
}

function checkNamespaces(
  ofNamespaces: ReadonlyMap<string, readonly Subject[]>,
  objects: Inventory,
  told: Set<Subject>,
  report: Report,
): void {
  for (const [namespace, sidecars] of ofNamespaces) {
    if (isAmbientNamespace(objects.find('Namespace', namespace))) {
      for (const sidecar of sidecars) tellIneffective(sidecar, 'namespace', told, report);
    } else if (sidecars.length > 1) {
      const text = `The Sidecars ${namesOf(sidecars)} in namespace ${quoted(namespace)} have no workload selector, which can lead to undefined behavior.`;
      for (const sidecar of sidecars) report(messageOf('IST0111', sidecar, text));
    }
  }
}
