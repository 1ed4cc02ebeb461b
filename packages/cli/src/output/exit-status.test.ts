import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CliError } from '../errors.ts';
import { statusOfError } from './exit-status.ts';

test('an error says by its code what CI is told', () => {
  assert.equal(statusOfError(new CliError('ERR_CLI_INVALID', 'x')), 64);
  assert.equal(statusOfError(new CliError('ERR_CLI_REFUSED', 'x')), 3);
  assert.equal(statusOfError(new CliError('ERR_CLI_TIMEOUT', 'x')), 4);
  assert.equal(statusOfError(Object.assign(new Error('x'), { code: 'ERR_KUBE_UNREACHABLE' })), 2);
  assert.equal(statusOfError(new Error('x')), 1);
  assert.equal(statusOfError('x'), 1);
});
