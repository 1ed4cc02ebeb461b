/** Query parameters of writes: dryRun, fieldManager, fieldValidation. In: query; out: options or 422. Pure. */

import { notSupported, required, tooLong, forbiddenField, invalidValue } from '../field-error.ts';
import { invalid } from '../status.ts';
import type { FieldProblem } from '../status.ts';
import type { FieldValidation } from '../write/context.ts';
import { isTrue } from './request-info.ts';

/** Checked options of a write. */
export interface WriteOptions {
  readonly dryRun: boolean;
  readonly manager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean;
}

const managerLimit = 128;

function dryRunProblems(values: readonly string[]): FieldProblem[] {
  return values.every((value) => value === 'All') ? [] : [notSupported('dryRun', values, ['All'])];
}

/** The manager of a request without fieldManager: the User-Agent up to the first slash. */
function defaultManager(userAgent: string | undefined): string {
  const name = (userAgent ?? '').split('/')[0]?.trim() ?? '';
  return name === '' ? 'unknown' : name.slice(0, managerLimit);
}

/** Reads and checks the options; `kind` is CreateOptions, UpdateOptions or PatchOptions. */
export function writeOptions(
  query: URLSearchParams,
  userAgent: string | undefined,
  kind: string,
  isApply = false,
): WriteOptions {
  const problems: FieldProblem[] = [];
  const manager = query.get('fieldManager') ?? '';
  const force = query.get('force');
  if (kind === 'PatchOptions') {
    if (isApply && manager === '') problems.push(required('fieldManager', 'is required for apply patch'));
    if (!isApply && force !== null && force !== '')
      problems.push(forbiddenField('force', 'may not be specified for non-apply patch'));
  }
  if (Buffer.byteLength(manager) > managerLimit) problems.push(tooLong('fieldManager', managerLimit));
  const bad = Array.from(manager).find((char) => char < ' ' || char === '\u007f');
  if (bad !== undefined)
    problems.push(invalidValue('fieldManager', manager, 'should only contain printable characters'));
  const dryRun = query.getAll('dryRun');
  problems.push(...dryRunProblems(dryRun));
  const level = query.get('fieldValidation') ?? '';
  if (!['', 'Ignore', 'Strict', 'Warn'].includes(level))
    problems.push(notSupported('fieldValidation', level, ['', 'Ignore', 'Strict', 'Warn']));
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', kind }, '', problems);
  return {
    dryRun: dryRun.length > 0,
    manager: manager === '' ? defaultManager(userAgent) : manager,
    fieldValidation: level === 'Strict' || level === 'Ignore' ? level : 'Warn',
    force: isTrue(force),
  };
}
