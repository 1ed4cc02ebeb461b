import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { indexByPath } from './path-index.ts';

const segment = fc.constantFrom('a', 'b', 'ab', 'c');
const path = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);

test('the index gives every entry that a walk would accept, in the same order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.option(path, { nil: undefined }), { minLength: 20, maxLength: 60 }),
      path,
      (literals, asked) => {
        const entries = literals.map((literal, position) => ({ literal, position }));
        const fits = ({ literal }: { literal: string | undefined }): boolean =>
          literal === undefined || asked.startsWith(literal);
        const found = indexByPath(entries, ({ literal }) => literal)(asked);
        assert.deepEqual(found.filter(fits), entries.filter(fits));
      },
    ),
  );
});
