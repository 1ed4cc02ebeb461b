import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isFormat } from './definitions/formats.ts';
import { isDigits, isMadeOf, labelCharacters, wordCharacters } from './characters.ts';
import { compareVersions } from './resources/registry.ts';

test('an empty text consists of nothing, and every character counts', () => {
  assert.equal(isMadeOf('', labelCharacters), false);
  assert.equal(isMadeOf('a-1', labelCharacters), true);
  assert.equal(isMadeOf('a_1', labelCharacters), false);
  assert.equal(isMadeOf('a_1', wordCharacters), true);
});

test('digits are counted', () => {
  assert.equal(isDigits('123', 3), true);
  assert.equal(isDigits('1234', 3), false);
  assert.equal(isDigits('-1', 3), false);
});

test('versions are ordered by stage, then by number', () => {
  const versions = ['v1alpha1', 'foo', 'v1', 'v2beta1', 'v10', 'v1beta2', 'v1beta', 'v2'];
  assert.deepEqual(versions.toSorted(compareVersions), [
    'v10',
    'v2',
    'v1',
    'v2beta1',
    'v1beta2',
    'v1alpha1',
    'foo',
    'v1beta',
  ]);
});

test('formats accept what they should and refuse the rest', () => {
  const cases: readonly (readonly [format: string, text: string, fits: boolean])[] = [
    ['date-time', '2026-01-31T23:59:59.5Z', true],
    ['date-time', '2026-01-31', false],
    ['date', '2026-01-31', true],
    ['date', '2026-13-31', false],
    ['duration', '1h30m', true],
    ['duration', '-5', true],
    ['duration', '5x', false],
    ['cidr', '10.0.0.0/8', true],
    ['cidr', '10.0.0.0/33', false],
    ['byte', 'YWJj', true],
    ['byte', 'YWJ', false],
    ['uuid', '123e4567-e89b-12d3-a456-426614174000', true],
    ['uuid', '123e4567', false],
    ['hostname', 'a.example', true],
    ['hostname', '-a.example', false],
    ['mac', '00:11:22:33:44:55', true],
    ['mac', '00:11:22:33:44', false],
    ['unknown', 'anything', true],
  ];
  for (const [format, text, fits] of cases) assert.equal(isFormat(format, text), fits, `${format} ${text}`);
});
