// Whether an object would be accepted, and what its author should know (spec control-plane 10). In: any Kubernetes object.
// Out: texts as upstream's. Called by the admission webhook and by the command line tool. Pure, never throws.
import type { KubernetesObject } from '@ambit/resources';
import { checkPeerAuthentication, checkRequestAuthentication } from './authentication.ts';
import { checkAuthorizationPolicy } from './authorization-policy.ts';
import { checkDestinationRule } from './destination-rule.ts';
import { unknownOf } from './fields.ts';
import { type Findings, type Json, mapOf, textOf } from './json.ts';
import { checkEnvoyFilter, checkIstioGateway, checkSidecar, checkTelemetry, checkWasmPlugin } from './other-kinds.ts';
import { checkServiceEntry, checkWorkloadEntry, checkWorkloadGroup } from './service-entry.ts';
import { checkVirtualService } from './virtual-service.ts';

/** What validation found. No errors: the object is accepted. */
export interface Validation {
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

type Check = (object: Json, findings: Findings) => void;

const none: Check = () => {};
const SECURITY: Readonly<Record<string, Check>> = {
  AuthorizationPolicy: checkAuthorizationPolicy,
  PeerAuthentication: checkPeerAuthentication,
  RequestAuthentication: checkRequestAuthentication,
};
const NETWORKING: Readonly<Record<string, Check>> = {
  ServiceEntry: checkServiceEntry,
  WorkloadEntry: checkWorkloadEntry,
  WorkloadGroup: checkWorkloadGroup,
  DestinationRule: checkDestinationRule,
  VirtualService: checkVirtualService,
  Gateway: checkIstioGateway,
  Sidecar: checkSidecar,
  EnvoyFilter: checkEnvoyFilter,
  ProxyConfig: none,
};
const GROUPS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  'security.istio.io': SECURITY,
  'networking.istio.io': NETWORKING,
  'telemetry.istio.io': { Telemetry: checkTelemetry },
  'extensions.istio.io': { WasmPlugin: checkWasmPlugin },
};
const DRY_RUN = 'istio.io/dry-run';
const ALWAYS_REJECT = 'internal.istio.io/webhook-always-reject';
const INTERNAL_PARENTS = 'internal.istio.io/parents';
const TOP_LEVEL = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

/** True for kinds that have rules. */
export function isValidated(object: KubernetesObject): boolean {
  return checkOf(object) !== undefined;
}

/** Checks an object; kinds without rules are accepted. */
export function validateObject(object: KubernetesObject): Validation {
  const check = checkOf(object);
  if (check === undefined) return { errors: [], warnings: [] };
  const errors: string[] = [];
  const warnings: string[] = [];
  const json = object as Json;
  const unknown = unknownOf(object.kind ?? '', json['spec']);
  if (unknown !== undefined) return { errors: [`cannot parse proto message: ${unknown}`], warnings };
  const findings: Findings = { error: (m) => void errors.push(m), warn: (m) => void warnings.push(m) };
  checkAnnotations(object, findings);
  check(json, findings);
  for (const key of Object.keys(json)) if (!TOP_LEVEL.has(key)) errors.push(`unknown field "${key}" on the root level`);
  return { errors, warnings };
}

function checkOf({ apiVersion = '', kind = '' }: KubernetesObject): Check | undefined {
  const group = apiVersion.slice(0, Math.max(apiVersion.indexOf('/'), 0));
  const kinds = Object.hasOwn(GROUPS, group) ? GROUPS[group] : undefined;
  return kinds !== undefined && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
}

function checkAnnotations(object: KubernetesObject, findings: Findings): void {
  const { annotations, name = '', namespace = '' } = object.metadata ?? {};
  const given = mapOf(annotations);
  if (given[DRY_RUN] !== undefined && object.kind !== 'AuthorizationPolicy') {
    findings.error(`the annotation ${DRY_RUN} is not supported in ${namespace}/${name}`);
  }
  for (const key of [ALWAYS_REJECT, INTERNAL_PARENTS]) {
    if (textOf(given[key]) !== '') findings.error(`internal annotation ${key} is not allowed in ${namespace}/${name}`);
  }
}
