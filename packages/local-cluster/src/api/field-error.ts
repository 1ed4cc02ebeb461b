/** Problems of fields with the words clients know (spec/local-cluster.md 2). In: path and facts; out: a FieldProblem. Pure. */

import { goMap } from './patch/go-map.ts';
import type { FieldProblem } from './status.ts';

const shown = (value: unknown): string => {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === undefined || value === null) return 'null';
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : goMap(value);
};

const problem = (reason: string, field: string, message: string): FieldProblem => ({ reason, field, message });

/** A field that must be there. */
export const required = (field: string, detail = ''): FieldProblem =>
  problem('FieldValueRequired', field, detail === '' ? 'Required value' : `Required value: ${detail}`);
/** A value that does not fit. */
export const invalidValue = (field: string, value: unknown, detail: string): FieldProblem =>
  problem('FieldValueInvalid', field, `Invalid value: ${shown(value)}: ${detail}`);
/** A value of the wrong type; `value` is the name of the found type. */
export const invalidType = (field: string, value: string, detail: string): FieldProblem =>
  problem('FieldValueTypeInvalid', field, `Invalid value: ${JSON.stringify(value)}: ${detail}`);
/** A value outside a fixed set. */
export const notSupported = (field: string, value: unknown, supported: readonly string[]): FieldProblem =>
  problem(
    'FieldValueNotSupported',
    field,
    `Unsupported value: ${shown(value)}${supported.length === 0 ? '' : `: supported values: ${supported.map((item) => JSON.stringify(item)).join(', ')}`}`,
  );
/** The second of two equal values. */
export const duplicate = (field: string, value: unknown): FieldProblem =>
  problem('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}`);
/** A field that may not be set here. */
export const forbiddenField = (field: string, detail: string): FieldProblem =>
  problem('FieldValueForbidden', field, `Forbidden: ${detail}`);
/** A text that is too long. */
export const tooLong = (field: string, limitBytes: number): FieldProblem =>
  problem('FieldValueTooLong', field, `Too long: may not be more than ${limitBytes} bytes`);
/** A list with too many elements. */
export const tooMany = (field: string, count: number, limit: number): FieldProblem =>
  problem('FieldValueTooMany', field, `Too many: ${count}: must have at most ${limit} items`);
