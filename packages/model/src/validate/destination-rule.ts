// Rules for DestinationRules (spec control-plane 10.2). Pure.
import { errorsOnly, type Findings, type Json, mapOf, mapsOf, textOf } from './json.ts';
import { isDnsLabel, problemOfWildHost, problemsOfLabels } from './names.ts';
import { checkExportTo, checkSelector } from './selection.ts';
import { checkTrafficPolicy } from './traffic-policy.ts';

/** Checks a DestinationRule. */
export function checkDestinationRule(object: Json, findings: Findings): void {
  const namespace = textOf(mapOf(object['metadata'])['namespace']);
  const spec = mapOf(object['spec']);
  const host = problemOfWildHost(textOf(spec['host']));
  if (host !== undefined) findings.error(host);
  checkTrafficPolicy(spec['trafficPolicy'], namespace, findings);
  const names = new Set<string>();
  for (const subset of mapsOf(spec['subsets'])) {
    const name = textOf(subset['name']);
    if (names.has(name)) findings.error(`duplicate subset names: ${name}`);
    names.add(name);
    const problem = problemOfSubsetName(name);
    if (problem !== undefined) findings.error(problem);
    for (const label of problemsOfLabels(mapOf(subset['labels']))) findings.error(label);
    checkTrafficPolicy(subset['trafficPolicy'], namespace, errorsOnly(findings));
  }
  const hasSelector = spec['workloadSelector'] !== undefined;
  checkExportTo(spec['exportTo'], namespace, { hasSelector }, findings);
  checkSelector(spec['workloadSelector'], findings);
}

/** Why a text is no name of a subset. */
export function problemOfSubsetName(name: string): string | undefined {
  if (name === '') return 'subset name cannot be empty';
  return isDnsLabel(name) ? undefined : `subset name is invalid: ${name}`;
}
