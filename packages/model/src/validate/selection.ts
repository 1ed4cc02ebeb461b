// Rules for selectors, target references and exportTo, shared by kinds (spec control-plane 10.2). Pure.
import { type Findings, type Json, mapOf, mapsOf, textOf, textsOf } from './json.ts';

const TARGETS = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
]);
const KNOWN_TARGETS =
  '[core/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass]';

/** Selector and targets of a policy; `error` gets the messages. */
export function checkTargeting(spec: Json, error: (message: string) => void, findings: Findings): void {
  const refs = [...(spec['targetRef'] === undefined ? [] : [mapOf(spec['targetRef'])]), ...mapsOf(spec['targetRefs'])];
  const ways = ['selector', 'targetRef', 'targetRefs'].filter(
    (key) => spec[key] !== undefined && spec[key] !== null && !(Array.isArray(spec[key]) && spec[key].length === 0),
  );
  checkSelector(spec['selector'], error, findings);
  for (const ref of refs) {
    if (textOf(ref['name']) === '') error('targetRef name must be set');
    if (textOf(ref['namespace']) !== '') {
      error('targetRef namespace must not be set; cross namespace referencing is not supported');
    }
    const target = `${textOf(ref['group'])}/${textOf(ref['kind'])}`;
    if (!TARGETS.has(target)) error(`targetRef must be to one of ${KNOWN_TARGETS} but was ${target}`);
  }
  if (ways.length > 1) error('only one of targetRefs or workloadSelector can be set');
}

/** A workload selector. */
export function checkSelector(selector: unknown, error: (message: string) => void, findings: Findings): void {
  if (selector === undefined || selector === null) return;
  const labels = Object.entries(mapOf(mapOf(selector)['matchLabels']));
  if (labels.length === 0) findings.warn('workload selector specified without labels');
  for (const [key, value] of labels) {
    const text = `"${key}=${textOf(value)}"`;
    if (key === '') error(`empty key is not supported in selector: ${text}`);
    if (`${key}${textOf(value)}`.includes('*')) error(`wildcard is not supported in selector: ${text}`);
  }
}

/** Who may see an object. */
export function checkExportTo(exportTo: unknown, namespace: string, isServiceEntry: boolean, findings: Findings): void {
  const given = textsOf(exportTo);
  const seen = new Set<string>();
  for (const to of given) {
    if (seen.has(to)) findings.error(`duplicate entries in exportTo: ${to}`);
    seen.add(to);
  }
  if (given.includes('.') && given.includes(namespace)) {
    findings.error('duplicate entries in exportTo: . and current namespace');
  }
  if (given.includes('*') && given.length > 1) {
    findings.error('cannot have both public (*) and non-public exportTo values for a resource');
  }
  if (given.includes('~') && (!isServiceEntry || given.length > 1)) {
    findings.error('cannot export service entry to no one and someone');
  }
}
