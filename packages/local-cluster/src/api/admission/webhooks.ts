/**
 * Which webhooks a write has to ask (spec/local-cluster.md 6). In: the operation and its objects; out: webhooks in the
 * order of configuration and list. Reads the store.
 */

import { badRequest, statusError } from '../status.ts';
import type { ApiError } from '../status.ts';
import { isObject, listAt, objectAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import type { Resource } from '../resources/resource.ts';
import { matchOf } from './match.ts';
import type { MatchEnvironment } from './match.ts';
import { admissionVariables, conditionsHold } from './policies.ts';
import type { AdmissionObjects } from './policies.ts';
import type { AdmissionFacts, AdmissionTarget } from './target.ts';

/** A webhook to ask. */
export interface Webhook {
  /** `configuration/webhook`: unique among those of one stage. */
  readonly id: string;
  /** As texts name it. */
  readonly name: string;
  readonly clientConfig: JsonObject;
  readonly timeoutSeconds: number;
  readonly ignoresFailure: boolean;
  /** Asked again when later webhooks changed the object. */
  readonly isReinvoked: boolean;
  /** The version of the resource it wants to see. */
  readonly matched: Resource;
}

/** The two stages. */
export type WebhookStage = 'mutating' | 'validating';

const storage = {
  mutating: 'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  validating: 'validatingwebhookconfigurations.admissionregistration.k8s.io',
} as const;

/** Parts of objects that are not reviewed as such. */
const unreviewed = new Set(['scale', 'finalize', 'binding', 'approval']);

/** 500 of a webhook that could not be asked. */
export function failedCall(name: string, why: string): ApiError {
  const text = `failed calling webhook ${JSON.stringify(name)}: ${why}`;
  return statusError(500, 'InternalError', `Internal error occurred: ${text}`, { causes: [{ message: text }] });
}

function timeoutOf(hook: JsonObject): number {
  const { timeoutSeconds } = hook;
  return typeof timeoutSeconds === 'number' && timeoutSeconds >= 1 && timeoutSeconds <= 30 ? timeoutSeconds : 10;
}

/** The webhooks of a stage that mean this operation; throws when one of them cannot take it. */
export function webhooksFor(
  stage: WebhookStage,
  target: AdmissionTarget,
  facts: AdmissionFacts,
  objects: AdmissionObjects,
  environment: MatchEnvironment,
): Webhook[] {
  if (unreviewed.has(target.subresource ?? '')) return [];
  const configurations = environment.store
    .list(storage[stage])
    .toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
  return configurations.flatMap((configuration) =>
    listAt(configuration, 'webhooks')
      .filter(isObject)
      .flatMap((hook): Webhook[] => {
        const matched = matchOf(hook, listAt(hook, 'rules'), target, objects, environment);
        if (matched === undefined) return [];
        const name = textAt(hook, 'name');
        const ignoresFailure = textAt(hook, 'failurePolicy') === 'Ignore';
        if (!conditionsMet(hook, name, ignoresFailure, target, facts, objects, environment)) return [];
        const isHarmless = ['None', 'NoneOnDryRun'].includes(textAt(hook, 'sideEffects'));
        if (facts.dryRun && !isHarmless) {
          throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
        }
        return [
          {
            id: `${configuration.metadata.name ?? ''}/${name}`,
            name,
            clientConfig: objectAt(hook, 'clientConfig') ?? {},
            timeoutSeconds: timeoutOf(hook),
            ignoresFailure,
            isReinvoked: textAt(hook, 'reinvocationPolicy') === 'IfNeeded',
            matched,
          },
        ];
      }),
  );
}

function conditionsMet(
  hook: JsonObject,
  name: string,
  ignoresFailure: boolean,
  target: AdmissionTarget,
  facts: AdmissionFacts,
  objects: AdmissionObjects,
  environment: MatchEnvironment,
): boolean {
  const conditions = listAt(hook, 'matchConditions');
  if (conditions.length === 0) return true;
  const held = conditionsHold(conditions, admissionVariables(target, facts, objects, environment));
  if (held === 'yes' || held === 'no') return held === 'yes';
  if (ignoresFailure) return false;
  throw failedCall(name, held.error);
}
