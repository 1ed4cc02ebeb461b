import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '@ambit/runtime/log';
import { followImageMap } from './image-map-file.ts';

test('the image map follows its file, and keeps its last good form while the file is broken', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-images-'));
  try {
    const file = join(folder, 'images.yaml');
    const fixed = { before: [{ match: 'first' }], after: [{ match: 'last' }] };
    const current = followImageMap(file, fixed, silentLogger);
    const matches = (): string[] => current().map(({ match }) => match);
    assert.deepEqual(matches(), ['first', 'last']);
    writeFileSync(file, '[{ match: a, command: [x] }]');
    assert.deepEqual(matches(), ['first', 'a', 'last']);
    writeFileSync(file, '[{ command: "no match" }]');
    assert.deepEqual(matches(), ['first', 'a', 'last']);
    writeFileSync(file, '[{ match: another }]');
    assert.deepEqual(matches(), ['first', 'another', 'last']);
    rmSync(file);
    assert.deepEqual(matches(), ['first', 'last']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
