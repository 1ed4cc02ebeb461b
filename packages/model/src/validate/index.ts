// Whether an object would be accepted, and what its author should know (spec control-plane 10). In: any Kubernetes object.
// Out: texts as upstream's. Called by the admission webhook, by analysis and by the command line tool. Pure, never throws.
import type { KubernetesObject } from '@ambit/resources';
import { quoted } from '../analyze/go-text.ts';
import { DRY_RUN, goBoolean } from '../labels.ts';
import { checkPeerAuthentication, checkRequestAuthentication } from './authentication.ts';
import { checkAuthorizationPolicy } from './authorization-policy.ts';
import { type Decoded, decodeSpec } from './decode.ts';
import { checkDestinationRule } from './destination-rule.ts';
import { checkEnvoyFilter } from './envoy-filter.ts';
import { checkProxyConfig, checkTrafficExtension, checkWasmPlugin } from './extensions.ts';
import { checkIstioGateway } from './istio-gateway.ts';
import { enumText, type Findings, type Json, mapOf, textOf, type Unused } from './json.ts';
import { checkServiceEntry } from './service-entry.ts';
import { checkSidecar } from './sidecar.ts';
import { checkTelemetry } from './telemetry.ts';
import { checkVirtualService } from './virtual-service.ts';
import { checkWorkloadEntry, checkWorkloadGroup } from './workload.ts';

/** What validation found. No errors: the object is accepted. */
export interface Validation {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** A warning, with what is unused where that is its subject. */
export interface SpecWarning {
  readonly text: string;
  readonly unused: Unused | undefined;
}

/** What the rules of a kind found. */
export interface SpecValidation {
  readonly errors: readonly string[];
  readonly warnings: readonly SpecWarning[];
}

interface Rules {
  /** Full name of the message that the spec is. */
  readonly message: string;
  readonly check: (object: Json, findings: Findings) => void;
}

const SECURITY = 'istio.security.v1beta1';
const NETWORKING = 'istio.networking.v1alpha3';
const EXTENSIONS = 'istio.extensions.v1alpha1';
const KINDS: Readonly<Record<string, Rules>> = {
  'security.istio.io/AuthorizationPolicy': {
    message: `${SECURITY}.AuthorizationPolicy`,
    check: checkAuthorizationPolicy,
  },
  'security.istio.io/PeerAuthentication': { message: `${SECURITY}.PeerAuthentication`, check: checkPeerAuthentication },
  'security.istio.io/RequestAuthentication': {
    message: `${SECURITY}.RequestAuthentication`,
    check: checkRequestAuthentication,
  },
  'networking.istio.io/ServiceEntry': { message: `${NETWORKING}.ServiceEntry`, check: checkServiceEntry },
  'networking.istio.io/WorkloadEntry': { message: `${NETWORKING}.WorkloadEntry`, check: checkWorkloadEntry },
  'networking.istio.io/WorkloadGroup': { message: `${NETWORKING}.WorkloadGroup`, check: checkWorkloadGroup },
  'networking.istio.io/DestinationRule': { message: `${NETWORKING}.DestinationRule`, check: checkDestinationRule },
  'networking.istio.io/VirtualService': { message: `${NETWORKING}.VirtualService`, check: checkVirtualService },
  'networking.istio.io/Gateway': { message: `${NETWORKING}.Gateway`, check: checkIstioGateway },
  'networking.istio.io/Sidecar': { message: `${NETWORKING}.Sidecar`, check: checkSidecar },
  'networking.istio.io/EnvoyFilter': { message: `${NETWORKING}.EnvoyFilter`, check: checkEnvoyFilter },
  'networking.istio.io/ProxyConfig': { message: 'istio.networking.v1beta1.ProxyConfig', check: checkProxyConfig },
  'telemetry.istio.io/Telemetry': { message: 'istio.telemetry.v1alpha1.Telemetry', check: checkTelemetry },
  'extensions.istio.io/WasmPlugin': { message: `${EXTENSIONS}.WasmPlugin`, check: checkWasmPlugin },
  'extensions.istio.io/TrafficExtension': { message: `${EXTENSIONS}.TrafficExtension`, check: checkTrafficExtension },
};
const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';
const INTERNAL = ['internal.istio.io/parent-namespace', 'internal.istio.io/parents'];
const TOP_LEVEL = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

/** True for kinds that have rules. */
export function isValidated(object: KubernetesObject): boolean {
  return rulesOf(object) !== undefined;
}

/** Checks an object; kinds without rules are accepted. An object without namespace counts as one of `default`. */
export function validateObject(object: KubernetesObject): Validation {
  const rules = rulesOf(object);
  if (rules === undefined) return { errors: [], warnings: [] };
  const refused = (error: string): Validation => ({ errors: [error], warnings: [] });
  const decoded = decodeSpec(rules.message, object['spec'], true);
  if ('problem' in decoded) return refused(`cannot parse proto message: ${decoded.problem}`);
  const unknown = Object.keys(object).filter((key) => !TOP_LEVEL.has(key));
  if (unknown.length > 0) return { errors: unknown.map((key) => `unknown field ${quoted(key)}`), warnings: [] };
  const problem = problemOfAnnotations(object, decoded.spec);
  if (problem !== undefined) return refused(problem);
  const found = run(rules, object, decoded.spec);
  return { errors: found.errors, warnings: found.warnings.map(({ text }) => text) };
}

/** Checks a decoded spec alone: no labels, no annotations. Called by analysis. */
export function validateSpec(
  group: string,
  kind: string,
  { namespace, name, spec }: { readonly namespace: string; readonly name: string; readonly spec: Json },
): SpecValidation {
  const rules = rulesOfKind(group, kind);
  return rules === undefined
    ? { errors: [], warnings: [] }
    : run(rules, { metadata: { namespace, name } }, spec, namespace);
}

/** A spec as its kind reads it, unknown fields dropped; undefined for kinds without rules. */
export function decodedSpec(group: string, kind: string, spec: unknown): Decoded | undefined {
  const rules = rulesOfKind(group, kind);
  return rules && decodeSpec(rules.message, spec, false);
}

function run(rules: Rules, object: KubernetesObject, spec: Json, namespace?: string): SpecValidation {
  const errors: string[] = [];
  const warnings: SpecWarning[] = [];
  const metadata = { ...object.metadata, namespace: namespace ?? (object.metadata?.namespace || 'default') };
  rules.check(
    { ...object, metadata, spec },
    { error: (m) => void errors.push(m), warn: (text, unused) => void warnings.push({ text, unused }) },
  );
  return { errors, warnings };
}

function rulesOf({ apiVersion = '', kind = '' }: KubernetesObject): Rules | undefined {
  return rulesOfKind(apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0)), kind);
}

function rulesOfKind(group: string, kind: string): Rules | undefined {
  const key = `${group}/${kind}`;
  return Object.hasOwn(KINDS, key) ? KINDS[key] : undefined;
}

/** Annotations that nobody may set, or not here; the first of them makes everything else moot. */
function problemOfAnnotations({ kind, metadata }: KubernetesObject, spec: Json): string | undefined {
  const annotations = mapOf(metadata?.annotations);
  const name = `${metadata?.namespace || 'default'}/${metadata?.name ?? ''}`;
  const dryRun = annotations[DRY_RUN];
  if (dryRun !== undefined) {
    if (kind !== 'AuthorizationPolicy') {
      return `${name} has unsupported annotation ${DRY_RUN}, please remove the annotation`;
    }
    const action = enumText(spec['action'], 'ALLOW');
    if (action !== 'ALLOW' && action !== 'DENY') {
      return `the annotation ${DRY_RUN} currently only supports action ALLOW/DENY, found action ${action} in ${name}`;
    }
    if (goBoolean(textOf(dryRun)) === undefined) {
      return `${name} has annotation ${DRY_RUN} with invalid value (${textOf(dryRun)}): strconv.ParseBool: parsing ${quoted(textOf(dryRun))}: invalid syntax`;
    }
  }
  if (annotations[ALWAYS_REJECT] !== undefined) return `${quoted(ALWAYS_REJECT)} annotation found, rejecting`;
  const internal = INTERNAL.find((key) => annotations[key] !== undefined);
  return internal && `${quoted(internal)} annotation found, this may not be set by users`;
}
