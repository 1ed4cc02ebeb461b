/**
 * ValidatingAdmissionPolicy (spec/local-cluster.md 6): expressions in CEL over the object on its way to the store. In:
 * the operation and its objects; out: nothing, a warning, or a refusal. Called for every write. Synchronous.
 */

import type { CelInput } from '@bufbuild/cel';
import type { KubeObject } from '../../store/kube-object.ts';
import { compile } from '../cel/program.ts';
import { toCelInput } from '../cel/value.ts';
import { isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { labelSelectorOf } from '../read/label-selector.ts';
import { ApiError, forbidden } from '../status.ts';
import { matchOf } from './match.ts';
import type { MatchEnvironment } from './match.ts';
import { reviewRequest } from './target.ts';
import type { AdmissionFacts, AdmissionTarget } from './target.ts';

const policies = 'validatingadmissionpolicies.admissionregistration.k8s.io';
const bindings = 'validatingadmissionpolicybindings.admissionregistration.k8s.io';

const codes: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

/** The object before and after; null where there is none. */
export interface AdmissionObjects {
  readonly object: JsonObject | null;
  readonly oldObject: JsonObject | null;
}

type Variables = Readonly<Record<string, CelInput>>;

/** One expression that did not hold. */
interface Violation {
  readonly message: string;
  readonly reason: string;
}

/** The value of an expression, or the text of its error. */
function evaluate(source: string, variables: Variables): { value: unknown } | { error: string } {
  const program = compile(source);
  return 'error' in program ? { error: `compilation failed: ${program.error}` } : program.evaluate(variables);
}

/** Whether all conditions hold; an error counts as `onError` says. */
export function conditionsHold(
  conditions: readonly unknown[],
  variables: Variables,
): 'yes' | 'no' | { readonly error: string } {
  let failure: string | undefined;
  for (const condition of conditions) {
    const outcome = evaluate(textAt(condition, 'expression'), variables);
    if ('error' in outcome)
      failure ??= `match condition ${JSON.stringify(textAt(condition, 'name'))}: ${outcome.error}`;
    else if (outcome.value !== true) return 'no';
  }
  return failure === undefined ? 'yes' : { error: failure };
}

/** What expressions of policies and match conditions see. */
export function admissionVariables(
  target: AdmissionTarget,
  facts: AdmissionFacts,
  objects: AdmissionObjects,
  { store }: MatchEnvironment,
): Record<string, CelInput> {
  const { object: _object, oldObject: _old, ...request } = reviewRequest(target, facts, target.resource, '', objects);
  const namespace = target.namespace === undefined ? undefined : store.get('namespaces', '', target.namespace);
  return {
    object: toCelInput(objects.object),
    oldObject: toCelInput(objects.oldObject),
    request: toCelInput(request),
    namespaceObject: toCelInput(namespace ?? null),
  };
}

/** Variables are evaluated in order; one that fails is missing for those who use it. */
function withOwnVariables(spec: JsonObject, given: Variables): Variables {
  const own = new Map<string, CelInput>();
  for (const variable of listAt(spec, 'variables')) {
    const outcome = evaluate(textAt(variable, 'expression'), { ...given, variables: new Map(own) });
    if ('value' in outcome) own.set(textAt(variable, 'name'), outcome.value as CelInput);
  }
  return { ...given, variables: own };
}

function messageOf(validation: JsonObject, variables: Variables): string {
  const source = textAt(validation, 'messageExpression');
  const outcome = source === '' ? undefined : evaluate(source, variables);
  if (outcome !== undefined && 'value' in outcome && typeof outcome.value === 'string' && outcome.value.trim() !== '') {
    return outcome.value.trim();
  }
  const message = textAt(validation, 'message').trim();
  return message === '' ? `failed expression: ${textAt(validation, 'expression').trim()}` : message;
}

function violationsOf(spec: JsonObject, given: Variables): Violation[] {
  const ignoresErrors = textAt(spec, 'failurePolicy') === 'Ignore';
  const conditions = conditionsHold(listAt(spec, 'matchConditions'), given);
  if (conditions === 'no') return [];
  if (conditions !== 'yes') return ignoresErrors ? [] : [{ message: conditions.error, reason: 'Invalid' }];
  const variables = withOwnVariables(spec, given);
  return listAt(spec, 'validations')
    .filter(isObject)
    .flatMap((validation): Violation[] => {
      const reason = textAt(validation, 'reason') || 'Invalid';
      const source = textAt(validation, 'expression');
      const outcome = evaluate(source, variables);
      if ('error' in outcome) {
        const message = `expression '${source}' resulted in error: ${outcome.error}`;
        return ignoresErrors ? [] : [{ message, reason: 'Invalid' }];
      }
      return outcome.value === true ? [] : [{ message: messageOf(validation, variables), reason }];
    });
}

/** Objects a binding hands to the policy: one undefined without parameters; a text when they cannot be found. */
function paramsOf(
  spec: JsonObject,
  binding: KubeObject,
  target: AdmissionTarget,
  { store, registry }: MatchEnvironment,
): readonly (KubeObject | undefined)[] | string {
  const kind = objectAt(spec, 'paramKind');
  const reference = objectAt(binding, 'spec', 'paramRef');
  if (kind === undefined || reference === undefined) return [undefined];
  const resource = registry.byKind(textAt(kind, 'apiVersion'), textAt(kind, 'kind'));
  if (resource === undefined) return `failed to find resource for param kind ${textAt(kind, 'kind')}`;
  const namespace = resource.namespaced ? textAt(reference, 'namespace') || (target.namespace ?? '') : '';
  const name = textAt(reference, 'name');
  const selector = reference['selector'];
  const test = selector === undefined ? undefined : labelSelectorOf(selector);
  const found = store
    .list(resource.storageName, namespace === '' ? undefined : namespace)
    .filter(({ metadata }) => (name === '' || metadata.name === name) && (test === undefined || test(metadata.labels)));
  if (found.length > 0) return found;
  return textAt(reference, 'parameterNotFoundAction') === 'Deny'
    ? 'no params found for policy binding with `Deny` parameterNotFoundAction'
    : [];
}

function refusal(target: AdmissionTarget, text: string, reason: string, others: readonly string[]): ApiError {
  const causes = [text, ...others].map((message) => ({ message }));
  const { status } = forbidden(target.resource, target.name, text, causes);
  return new ApiError({ ...status, reason, code: codes[reason] ?? 422 });
}

/** Runs all policies; throws `ApiError` for the first refusal. */
export function enforcePolicies(
  target: AdmissionTarget,
  facts: AdmissionFacts,
  objects: AdmissionObjects,
  environment: MatchEnvironment,
): void {
  const bound = environment.store.list(bindings);
  if (bound.length === 0) return;
  const denials: Violation[] = [];
  let given: Variables | undefined;
  for (const binding of bound) {
    const policy = environment.store.get(policies, '', textAt(binding, 'spec', 'policyName'));
    const spec = objectAt(policy, 'spec');
    if (policy === undefined || spec === undefined || !isMeant(spec, binding, target, objects, environment)) continue;
    given ??= admissionVariables(target, facts, objects, environment);
    const actions = listAt(binding, 'spec', 'validationActions');
    const named = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`;
    for (const { message, reason } of found(spec, binding, target, given, environment)) {
      if (actions.includes('Warn')) facts.warnings.push(`Validation failed for ${named}: ${message}`);
      if (actions.includes('Deny')) denials.push({ message: `${named} denied request: ${message}`, reason });
    }
  }
  const [first, ...others] = denials;
  if (first !== undefined) {
    throw refusal(
      target,
      first.message,
      first.reason,
      others.map(({ message }) => message),
    );
  }
}

function found(
  spec: JsonObject,
  binding: KubeObject,
  target: AdmissionTarget,
  given: Variables,
  environment: MatchEnvironment,
): Violation[] {
  const params = paramsOf(spec, binding, target, environment);
  if (typeof params === 'string') {
    return textAt(spec, 'failurePolicy') === 'Ignore'
      ? []
      : [{ message: `failed to configure binding: ${params}`, reason: 'Invalid' }];
  }
  return params.flatMap((param) => violationsOf(spec, { ...given, params: toCelInput(param ?? null) }));
}

function isMeant(
  spec: JsonObject,
  binding: KubeObject,
  target: AdmissionTarget,
  objects: AdmissionObjects,
  environment: MatchEnvironment,
): boolean {
  const constraints = objectAt(spec, 'matchConstraints') ?? {};
  const rules = listAt(constraints, 'resourceRules');
  if (matchOf(constraints, rules, target, objects, environment) === undefined) return false;
  const narrower = objectAt(binding, 'spec', 'matchResources');
  if (narrower === undefined) return true;
  const own = listAt(narrower, 'resourceRules');
  return matchOf(narrower, own.length === 0 ? rules : own, target, objects, environment) !== undefined;
}
