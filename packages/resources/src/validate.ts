// Checks one object against the schema of its kind. In: any JSON value. Out: problems as data, never an exception.
// Called by the control plane before an object enters the model, and by the command line tool.
import { Ajv, type ValidateFunction } from 'ajv';
import type { KindName } from './kind-table.ts';
import { kinds } from './kinds.ts';

/** Why an object does not fit its kind. */
export interface Problem {
  /** JSON pointer of the offending field, empty for the object itself. */
  readonly path: string;
  /** Lower-case sentence without a trailing dot. */
  readonly message: string;
}

const compiled = new Map<string, ValidateFunction>();
let ajv: Ajv | undefined;

function validatorOf(kind: KindName): ValidateFunction {
  let validator = compiled.get(kind);
  if (validator === undefined) {
    // Compiling costs milliseconds, so it happens once per kind and only for kinds that are used.
    ajv ??= new Ajv({ allErrors: true, strict: false });
    validator = ajv.compile(kinds[kind].schema);
    compiled.set(kind, validator);
  }
  return validator;
}

/** All problems of `object` as a `kind`; empty when it fits. Unknown fields are not problems. At most 20 are told. */
export function problemsOf(kind: KindName, object: unknown): Problem[] {
  const validate = validatorOf(kind);
  if (validate(object)) return [];
  return (validate.errors ?? []).slice(0, 20).map((e) => ({ path: e.instancePath, message: e.message ?? 'invalid' }));
}
