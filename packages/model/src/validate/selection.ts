// Rules for selectors, target references and exportTo, shared by kinds (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { type Findings, type Json, mapOf, mapsOf, optionalMap, textOf, textsOf } from './json.ts';
import { isDnsLabel } from './names.ts';

const TARGETS = new Set([
  '/Service',
  'core/Service',
  'networking.istio.io/ServiceEntry',
  'gateway.networking.k8s.io/Gateway',
  'gateway.networking.k8s.io/GatewayClass',
]);
const KNOWN_TARGETS =
  '[core/v1/Service networking.istio.io/v1/ServiceEntry gateway.networking.k8s.io/v1/Gateway gateway.networking.k8s.io/v1/GatewayClass]';

/** Selector and targets of a policy. */
export function checkTargeting(spec: Json, findings: Findings): void {
  const refs = mapsOf(spec['targetRefs']);
  const ways = [optionalMap(spec['selector']), optionalMap(spec['targetRef']), refs[0]];
  if (ways.filter((way) => way !== undefined).length > 1) {
    findings.error('only one of targetRefs or workloadSelector can be set');
  }
  checkSelector(spec['selector'], findings);
  for (const ref of [...ways.slice(1, 2).filter((way) => way !== undefined), ...refs]) checkTarget(ref, findings);
}

function checkTarget(ref: Json, { error }: Findings): void {
  if (textOf(ref['name']) === '') error('targetRef name must be set');
  if (textOf(ref['namespace']) !== '') {
    error('targetRef namespace must not be set; cross namespace referencing is not supported');
  }
  const target = `${textOf(ref['group'])}/${textOf(ref['kind'])}`;
  if (!TARGETS.has(target)) error(`targetRef must be to one of ${KNOWN_TARGETS} but was ${target}`);
}

function checkLabels(labels: Json, { error }: Findings): void {
  for (const [key, value] of Object.entries(labels)) {
    const text = quoted(`${key}=${textOf(value)}`);
    if (key === '') error(`empty key is not supported in selector: ${text}`);
    if (`${key}${textOf(value)}`.includes('*')) error(`wildcard is not supported in selector: ${text}`);
  }
}

const NO_LABELS = 'workload selector specified without labels';

/** A workload selector with `matchLabels`. */
export function checkSelector(selector: unknown, findings: Findings): void {
  if (optionalMap(selector) === undefined) return;
  const labels = mapOf(mapOf(selector)['matchLabels']);
  checkLabels(labels, findings);
  if (Object.keys(labels).length === 0) findings.warn(NO_LABELS);
}

/** A workload selector with `labels`, of the older kinds. False when it is wrong: upstream then looks no further. */
export function checkOldSelector(selector: unknown, kind: string, findings: Findings): boolean {
  if (optionalMap(selector) === undefined) return true;
  const labels = mapOf(mapOf(selector)['labels']);
  let isRight = true;
  const error = (message: string): void => {
    isRight = false;
    findings.error(message);
  };
  checkLabels(labels, { error, warn: () => {} });
  if (isRight && Object.keys(labels).length === 0) {
    findings.warn(`${kind}: ${NO_LABELS}, will be applied to all services in namespace`);
  }
  return isRight;
}

/** Which rules hold for an exportTo. */
export interface ExportRules {
  readonly isServiceEntry?: boolean;
  readonly hasSelector?: boolean;
}

/** Who may see an object. */
export function checkExportTo(exportTo: unknown, namespace: string, rules: ExportRules, { error }: Findings): void {
  const given = textsOf(exportTo);
  if (given.length === 0) return;
  const seen = new Set<string>();
  for (const entry of given) {
    const key = entry === '.' ? namespace : entry;
    if (seen.has(key)) {
      error(
        key === entry
          ? `duplicate entries in exportTo for entry ${entry}`
          : `duplicate entries in exportTo: . and current namespace ${namespace}`,
      );
      continue;
    }
    const problem = rules.isServiceEntry === true && entry === '~' ? undefined : problemOfExport(key);
    if (problem === undefined) seen.add(key);
    else error(problem);
  }
  if (rules.hasSelector === true && seen.size > 0) {
    if (!seen.has(namespace)) {
      error('destination rule with workload selector cannot have exportTo beyond current namespace');
    } else if (seen.size > 1) {
      error('destination rule with workload selector cannot have multiple entries in exportTo');
    }
  }
  if (seen.has('*') && given.length > 1) {
    error('cannot have both public (*) and non-public exportTo values for a resource');
  }
  if (seen.has('~') && given.length > 1) error('cannot export service entry to no one (~) and someone');
}

function problemOfExport(entry: string): string | undefined {
  if (entry === '.' || entry === '*') return undefined;
  if (entry === '~') return 'exportTo ~ (none) is not allowed for Istio configuration objects';
  return isDnsLabel(entry) ? undefined : 'only .,*, or a valid DNS 1123 label is allowed as exportTo entry';
}
