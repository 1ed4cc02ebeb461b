// AdmissionReview -> verdict (spec control-plane 10.1). In: the parsed body of a POST. Out: the review to answer with, or undefined
// when the body is no review. Pure; called by server.ts.
import { isValidated, validateObject } from '@ambit/model/validate/index';
import type { KubernetesObject } from '@ambit/resources';

/** What validation says first of a spec that cannot be decoded. */
const UNREADABLE = 'cannot parse proto message: ';

/** Longest warning; the API server cuts off longer ones in its own way. */
const MAX_WARNING = 256;

/** What the API server expects. */
export interface AdmissionAnswer {
  readonly apiVersion: string;
  readonly kind: 'AdmissionReview';
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly message: string };
    readonly warnings?: readonly string[];
  };
}

/** A review as it came in. */
export interface AdmissionRequest {
  readonly operation: unknown;
  readonly kind: unknown;
  readonly namespace: unknown;
  readonly object: unknown;
  /** The review that answers it, under its uid and in its version. */
  readonly answer: (response: Omit<AdmissionAnswer['response'], 'uid'>) => AdmissionAnswer;
}

/** Reads a body; undefined when it is no AdmissionReview. */
export function requestOf(body: unknown): AdmissionRequest | undefined {
  const { apiVersion, kind, request } = fieldsOf(body);
  if (kind !== 'AdmissionReview' || typeof apiVersion !== 'string') return undefined;
  const { uid, operation, kind: objectKind, namespace, object } = fieldsOf(request);
  return {
    operation,
    kind: objectKind,
    namespace,
    object,
    answer: (response) => ({
      apiVersion,
      kind: 'AdmissionReview',
      response: { uid: typeof uid === 'string' ? uid : '', ...response },
    }),
  };
}

/** Warnings as a response carries them; none leave the field away. */
export function warningsOf(warnings: readonly string[]): Pick<AdmissionAnswer['response'], 'warnings'> {
  return warnings.length === 0 ? {} : { warnings: warnings.map((text) => text.slice(0, MAX_WARNING)) };
}

/** Decides one review. Only CREATE and UPDATE are judged. */
export function review(body: unknown): AdmissionAnswer | undefined {
  const request = requestOf(body);
  if (request === undefined) return undefined;
  const { operation, object, answer } = request;
  if (operation !== 'CREATE' && operation !== 'UPDATE') return answer({ allowed: true });
  const given = fieldsOf(object) as KubernetesObject;
  if (!isValidated(given)) {
    const message = `unrecognized type ${given.kind ?? ''}`;
    return answer({ allowed: false, status: { code: 400, message } });
  }
  const { errors, warnings } = validateObject(given);
  const told = warningsOf(warnings);
  if (errors.length === 0) return answer({ allowed: true, ...told });
  return answer({ allowed: false, status: { code: 400, message: explain(errors) }, ...told });
}

/** A text that cannot be decoded is told as it is, rules that are broken are listed. */
function explain(errors: readonly string[]): string {
  const [first = ''] = errors;
  if (first.startsWith(UNREADABLE)) return `error decoding configuration: ${first.slice(UNREADABLE.length)}`;
  if (errors.length === 1) return `configuration is invalid: ${first}`;
  return `configuration is invalid: ${errors.length} errors occurred:\n\t* ${errors.join('\n\t* ')}\n\n`;
}

/** The fields of a JSON object; none of anything else. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
