import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeExpositions } from './merge-exposition.ts';

const text = (a: number, b: number): string => `# HELP m Words.\n# TYPE m counter\nm{l="a"} ${a}\nm{l="b c"} ${b}\n`;

test('equal series of two threads become one sum', () => {
  assert.equal(mergeExpositions([text(1, 2), text(10, 20)]), text(11, 22));
});

test('a series that only one thread has stays', () => {
  assert.equal(
    mergeExpositions([text(1, 2), '# HELP n N.\n# TYPE n gauge\nn 3\n']),
    `${text(1, 2)}# HELP n N.\n# TYPE n gauge\nn 3\n`,
  );
});

test('one text is passed on', () => assert.equal(mergeExpositions([text(1, 2)]), text(1, 2)));
