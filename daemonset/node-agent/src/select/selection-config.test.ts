import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standardSelectors } from './eligible.ts';
import { parseSelectors } from './selection-config.ts';

test('nothing means the standard labels', () => assert.equal(parseSelectors(' '), standardSelectors));

test('a list of selectors is read, an omitted part matches everything', () => {
  assert.deepEqual(parseSelectors('- podSelector: {matchLabels: {mesh: "on"}}'), [
    { podSelector: { matchLabels: { mesh: 'on' } }, namespaceSelector: {} },
  ]);
});

test('anything else is refused with a code', () => {
  for (const text of ['a: 1', '- podSelector: 3', '{', 'x'.repeat(70_000)])
    assert.throws(() => parseSelectors(text), { code: 'ERR_NODE_AGENT_CONFIG' });
});
