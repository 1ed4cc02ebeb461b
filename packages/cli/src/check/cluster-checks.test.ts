import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rightsFinding } from './cluster-checks.ts';

test('who may create everything passes, who may not is told what, and a server that does not say is no failure', () => {
  const answers = (pods: boolean | undefined) => [
    { resource: 'namespaces', allowed: true },
    { resource: 'daemonsets', allowed: pods },
  ];
  assert.equal(rightsFinding(answers(true)).state, 'ok');
  assert.equal(rightsFinding(answers(false)).text, 'may not create daemonsets');
  assert.equal(rightsFinding(answers(undefined)).state, 'warning');
});
