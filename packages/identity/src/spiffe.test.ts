import assert from 'node:assert/strict';
import { test } from 'node:test';

import fc from 'fast-check';

import { MAX_SPIFFE_ID_LENGTH, formatSpiffeId, parseSpiffeId, principalOf } from './spiffe.ts';

test('reads the five-part form and nothing else', () => {
  const cases: readonly (readonly [string, boolean])[] = [
    ['spiffe://cluster.local/ns/shop/sa/cart', true],
    ['spiffe:///ns//sa/', true],
    ['spiffe://td/ns/a/sa/b/', false],
    ['spiffe://td/ns/a/sa/b/c', false],
    ['spiffe://td/ns/a/sa', false],
    ['spiffe://td/NS/a/sa/b', false],
    ['spiffe://td/sa/a/ns/b', false],
    ['SPIFFE://td/ns/a/sa/b', false],
    ['https://td/ns/a/sa/b', false],
    ['td/ns/a/sa/b', false],
    ['', false],
    [`spiffe://td/ns/a/sa/${'b'.repeat(MAX_SPIFFE_ID_LENGTH)}`, false],
  ];
  for (const [text, isIdentity] of cases) assert.equal(parseSpiffeId(text) !== undefined, isIdentity, text);
});

test('writing and reading an identity gives the same parts', () => {
  const part = fc.string({ maxLength: 63 }).filter((text) => !text.includes('/'));
  fc.assert(
    fc.property(part, part, part, (trustDomain, namespace, serviceAccount) => {
      const id = { trustDomain, namespace, serviceAccount };
      assert.deepEqual(parseSpiffeId(formatSpiffeId(id)), id);
    }),
  );
});

test('any text is read without throwing, and what is read writes back to the same text', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (rest) => {
      const text = `spiffe://${rest}`;
      const id = parseSpiffeId(text);
      if (id !== undefined) assert.equal(formatSpiffeId(id), text);
    }),
  );
});

test('a principal is the identity without its scheme', () => {
  assert.equal(principalOf('spiffe://td/ns/a/sa/b'), 'td/ns/a/sa/b');
  assert.equal(principalOf('td/ns/a/sa/b'), 'td/ns/a/sa/b');
});
