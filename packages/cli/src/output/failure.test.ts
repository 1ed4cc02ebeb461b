import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CodedError } from '@ambit/runtime/errors';
import { failureText } from './failure.ts';

test('a refusal of the API server says first what one may not, then what was asked', () => {
  const message = 'GET /api/v1/pods: pods is forbidden: User "x" cannot list resource "pods" in the namespace "shop"';
  const [fact, why, hint, id] = failureText(new CodedError('ERR_KUBE_FORBIDDEN', message)).split('\n');
  assert.equal(fact, 'you may not list resource "pods" in the namespace "shop"');
  assert.equal(why, `why: ${message}`);
  assert.match(hint ?? '', /^try: kubectl auth can-i/u);
  assert.equal(id, 'id: ERR_KUBE_FORBIDDEN (ambit help ERR_KUBE_FORBIDDEN)');
});

test('a cause that the message ends with is not said again', () => {
  const cause = new Error('connect ECONNREFUSED');
  const text = failureText(new CodedError('ERR_KUBE_UNREACHABLE', 'GET / failed: connect ECONNREFUSED', { cause }));
  assert.equal(text.split('\n')[1], 'id: ERR_KUBE_UNREACHABLE (ambit help ERR_KUBE_UNREACHABLE)');
});
