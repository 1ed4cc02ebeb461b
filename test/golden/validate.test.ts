// Validation of objects against recorded behaviour: every case of `golden/cases/validate` through our rules. Compared: accepted or
// not, errors and warnings with their exact texts; of texts that quote the Go run time only what stands before the quotation.
// Pure, one process, no sockets.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { runValidate } from '@ambit/model/validate/run';
import { deviations } from './deviations.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'cases/validate',
);

/** Marks of the Go run time inside texts. */
const FOREIGN = ['netip.', 'strconv.', 'failed to unmarshal', 'error parsing regexp', ': yaml: '];

interface Expected {
  accepted: boolean;
  exitCode: number;
  errors: string[];
  warnings: string[];
  stdout: string;
  stderr: string;
}

if (existsSync(folder)) {
  test('golden validate', () => {
    const names = readdirSync(folder).toSorted((a, b) => (a < b ? -1 : 1));
    let passed = 0;
    const failures: string[] = [];
    const listed: string[] = [];
    for (const name of names) {
      const reason = deviations.validate[name.slice(name.indexOf('-') + 1)];
      try {
        runCase(join(folder, name));
        passed++;
      } catch (error) {
        const text = error instanceof Error ? error.message.split('\n').slice(0, 30).join('\n') : String(error);
        if (reason === undefined) failures.push(`${name}: ${text}`);
        else listed.push(`${name}: ${reason}`);
      }
    }
    console.log(`golden validate: ${passed}/${names.length} (listed: ${listed.length}, failed: ${failures.length})`);
    for (const line of listed) console.log(`  listed  ${line}`);
    for (const failure of failures.slice(0, 10)) console.log(`  failed  ${failure}`);
    assert.equal(failures.length, 0, `${failures.length} cases differ`);
  });
} else if (process.env['AMBIT_GOLDEN_DIR'] !== undefined) {
  test('golden validate', () => assert.fail(`missing folder ${folder}`));
} else test('golden validate', { skip: `no recorded behaviour in ${folder}` }, () => {});

function runCase(path: string): void {
  const read = (file: string): string => readFileSync(join(path, file), 'utf8');
  const expected = JSON.parse(read('expected.json')) as Expected;
  const found = runValidate([{ name: 'input.yaml', text: read('input.yaml') }]);
  assert.deepEqual(
    {
      accepted: found.errors.length === 0,
      exitCode: found.exitCode,
      errors: found.errors.map(withoutQuotation),
      warnings: found.warnings,
    },
    {
      accepted: expected.accepted,
      exitCode: expected.exitCode,
      errors: expected.errors.map(withoutQuotation),
      warnings: expected.warnings,
    },
  );
  assert.deepEqual(linesOf(found.stderr), linesOf(expected.stdout + expected.stderr), 'output');
}

const linesOf = (text: string): string[] => text.split('\n').map(withoutQuotation);

function withoutQuotation(text: string): string {
  const at = FOREIGN.map((mark) => text.indexOf(mark)).filter((index) => index >= 0);
  if (at.length > 0) return text.slice(0, Math.min(...at));
  return text.endsWith('not JSON') || text.endsWith('not an address range')
    ? text.slice(0, text.lastIndexOf(': ') + 2)
    : text;
}
