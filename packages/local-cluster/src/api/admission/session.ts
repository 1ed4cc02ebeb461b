/**
 * Admission of one write by webhooks and policies. The write path never waits between reading and storing: when it needs
 * an answer that is not there yet it stops, the answer is fetched, and the write starts anew with the live object of that
 * moment. In: facts of the request; out: the stored object, or an `ApiError`. Main thread.
 */

import { randomUUID } from 'node:crypto';
import { equalJson, isObject, listAt, textAt } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { ApiError, internalError, statusError } from '../status.ts';
import type { WriteEnvironment } from '../write/context.ts';
import type { WebhookOutcome } from './call-webhook.ts';
import { enforcePolicies } from './policies.ts';
import { reviewRequest } from './target.ts';
import type { AdmissionFacts, AdmissionTarget } from './target.ts';
import { failedCall, webhooksFor } from './webhooks.ts';
import type { Webhook, WebhookStage } from './webhooks.ts';

/** Times a write may start anew: every webhook twice, and changes of others in between. */
const maxRounds = 100;
const maxPatchBytes = 8 * 1024 * 1024;

/** A question to a webhook. */
interface Question {
  readonly key: string;
  readonly hook: Webhook;
  readonly review: JsonObject;
}

/** Stops a write until webhooks have answered. */
class Unanswered extends Error {
  readonly questions: readonly Question[];
  constructor(questions: readonly Question[]) {
    super('webhooks have to answer first');
    this.questions = questions;
  }
}

/** What one write has learnt so far. */
export class AdmissionSession {
  readonly #environment: WriteEnvironment;
  readonly #facts: AdmissionFacts;
  readonly #answers = new Map<string, WebhookOutcome>();
  readonly #kept = new Map<string, unknown>();

  constructor(environment: WriteEnvironment, facts: AdmissionFacts) {
    this.#environment = environment;
    this.#facts = facts;
  }

  /** The same value in every round: random names and ids. */
  remember<T>(key: string, make: () => T): T {
    if (!this.#kept.has(key)) this.#kept.set(key, make());
    return this.#kept.get(key) as T;
  }

  /** True when a mutating webhook wants to see the object. */
  isMutated(target: AdmissionTarget, object: JsonObject | null, oldObject: JsonObject | null): boolean {
    return this.#hooks('mutating', target, object, oldObject).length > 0;
  }

  /** The object after the mutating webhooks, one after the other. */
  mutate(target: AdmissionTarget, object: JsonObject | null, oldObject: JsonObject | null): JsonObject | null {
    let current = object;
    const seen = new Map<string, JsonObject | null>();
    for (const hook of this.#hooks('mutating', target, object, oldObject)) {
      current = this.#mutateBy(hook, target, current, oldObject);
      seen.set(hook.id, current);
    }
    for (const hook of this.#hooks('mutating', target, current, oldObject)) {
      if (!hook.isReinvoked || equalJson(seen.get(hook.id), current)) continue;
      current = this.#mutateBy(hook, target, current, oldObject);
    }
    return current;
  }

  /** Policies, then validating webhooks; throws for a refusal. */
  validate(target: AdmissionTarget, object: JsonObject | null, oldObject: JsonObject | null): void {
    enforcePolicies(target, this.#facts, { object, oldObject }, this.#environment);
    const questions = this.#hooks('validating', target, object, oldObject).map((hook) =>
      this.#question('validating', hook, target, object, oldObject),
    );
    const open = questions.filter(({ key }) => !this.#answers.has(key));
    if (open.length > 0) throw new Unanswered(open);
    for (const { key, hook } of questions) this.#allowed(hook, this.#answers.get(key));
  }

  /** Fetches answers. */
  async answer(questions: readonly Question[]): Promise<void> {
    const { callWebhook } = this.#environment;
    await Promise.all(
      questions.map(async ({ key, hook, review }) => {
        const outcome = await callWebhook?.(hook, review);
        this.#answers.set(key, outcome ?? { error: 'failed to call webhook: this server calls none' });
      }),
    );
  }

  #hooks(
    stage: WebhookStage,
    target: AdmissionTarget,
    object: JsonObject | null,
    oldObject: JsonObject | null,
  ): Webhook[] {
    return webhooksFor(stage, target, this.#facts, { object, oldObject }, this.#environment);
  }

  #question(
    stage: WebhookStage,
    hook: Webhook,
    target: AdmissionTarget,
    object: JsonObject | null,
    oldObject: JsonObject | null,
  ): Question {
    const as = (item: JsonObject | null): JsonObject | null =>
      item === null ? null : { ...item, apiVersion: hook.matched.apiVersion, kind: hook.matched.kind };
    const objects = { object: as(object), oldObject: as(oldObject) };
    return {
      key: JSON.stringify([stage, hook.id, objects]),
      hook,
      review: {
        kind: 'AdmissionReview',
        apiVersion: 'admission.k8s.io/v1',
        request: reviewRequest(target, this.#facts, hook.matched, randomUUID(), objects),
      },
    };
  }

  #mutateBy(
    hook: Webhook,
    target: AdmissionTarget,
    object: JsonObject | null,
    oldObject: JsonObject | null,
  ): JsonObject | null {
    const question = this.#question('mutating', hook, target, object, oldObject);
    const outcome = this.#answers.get(question.key);
    if (outcome === undefined) throw new Unanswered([question]);
    const response = this.#allowed(hook, outcome);
    const patch = textAt(response, 'patch');
    if (patch === '' || object === null) return object;
    return patched(hook, patch, object);
  }

  /** The response of a webhook that has no objection; undefined when its failure does not matter. */
  #allowed(hook: Webhook, outcome: WebhookOutcome | undefined): JsonObject | undefined {
    if (outcome === undefined || 'error' in outcome) {
      if (hook.ignoresFailure) return undefined;
      throw failedCall(hook.name, outcome?.error ?? 'no answer');
    }
    const { response } = outcome;
    for (const text of listAt(response, 'warnings')) if (typeof text === 'string') this.#facts.warnings.push(text);
    if (response['allowed'] === true) return response;
    throw denial(hook.name, response['status']);
  }
}

function patched(hook: Webhook, patch: string, object: JsonObject): JsonObject {
  if (patch.length > maxPatchBytes) throw failedCall(hook.name, `patch of more than ${maxPatchBytes} bytes`);
  try {
    const changed = jsonPatch(object, JSON.parse(Buffer.from(patch, 'base64').toString('utf8')) as unknown);
    // It saw the object in its own version and kind; neither is for it to change.
    return { ...changed, apiVersion: object['apiVersion'], kind: object['kind'] };
  } catch (error) {
    const why = ApiError.is(error) && error.cause instanceof Error ? error.cause.message : String(error);
    throw failedCall(hook.name, `received invalid webhook response: patch cannot be applied: ${why}`);
  }
}

function denial(name: string, status: unknown): ApiError {
  const given = isObject(status) ? status : {};
  const message = textAt(given, 'message');
  const reason = textAt(given, 'reason');
  const why = message === '' ? reason : message;
  const opening = `admission webhook ${JSON.stringify(name)} denied the request`;
  const { code } = given;
  return statusError(
    typeof code === 'number' && code >= 400 && code < 600 ? code : 400,
    reason === '' ? undefined : reason,
    why === '' ? `${opening} without explanation` : `${opening}: ${why}`,
    isObject(given['details']) ? given['details'] : undefined,
  );
}

/** Runs a write with admission; the first round runs at once, before anything is awaited. */
export async function runAdmitted<T>(
  environment: WriteEnvironment,
  facts: AdmissionFacts,
  write: (environment: WriteEnvironment, admission: AdmissionSession) => T,
): Promise<T> {
  const session = new AdmissionSession(environment, facts);
  const startMs = environment.now();
  // One time in all rounds: otherwise webhooks would see another object each time.
  const frozen: WriteEnvironment = { ...environment, now: () => startMs };
  const warningCount = facts.warnings.length;
  for (let round = 0; round < maxRounds; round++) {
    try {
      return write(frozen, session);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      facts.warnings.length = warningCount;
      await session.answer(error.questions);
    }
  }
  throw internalError(`admission did not come to an end in ${maxRounds} rounds`);
}
