import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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

test('a selector that could never hold, or holds for something else than it says, is refused with its place', () => {
  const refused = (text: string): string => {
    try {
      parseSelectors(`- podSelector: {}\n- namespaceSelector: ${text}`);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  for (const [text, why] of [
    ['{matchLabels: {mesh: true}}', '.matchLabels must be names with texts'],
    ['{matchLabels: [mesh]}', '.matchLabels must be names with texts'],
    ['{matchExpressions: x}', '.matchExpressions must be a list'],
    ['{matchExpressions: [{operator: Exists}]}', '.matchExpressions[0] has no key'],
    [
      '{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: Has}]}',
      '.matchExpressions[1] has an operator',
    ],
    ['{matchExpressions: [{key: a, operator: toString}]}', '.matchExpressions[0] has an operator'],
    ['{matchExpressions: [{key: a, operator: In}]}', '.matchExpressions[0] has no values'],
    [
      '{matchExpressions: [{key: a, operator: NotIn, values: [1]}]}',
      '.matchExpressions[0] has values that are no texts',
    ],
    ['{matchExpressions: [{key: a, operator: Exists, values: [b]}]}', '.matchExpressions[0] has values, which'],
  ] as const)
    assert.ok(
      refused(text).startsWith(`AMBIENT_ENABLEMENT_SELECTOR: [1].namespaceSelector${why}`),
      `${text}: ${refused(text)}`,
    );
  for (const text of ['', '{}', '{matchLabels: }', '{matchExpressions: [{key: a, operator: NotIn, values: [b, c]}]}'])
    assert.equal(refused(text), '');
});

test('any text is a list of selectors or an error with a code', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.json().map((text) => `- podSelector: ${text}`),
      ),
      (text) => {
        try {
          assert.ok(Array.isArray(parseSelectors(text)));
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'ERR_NODE_AGENT_CONFIG');
        }
      },
    ),
  );
});
