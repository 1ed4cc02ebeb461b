import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseMode } from './choose-mode.ts';

const full = { platform: 'linux', isRoot: true, missing: [] };

test('auto takes network namespaces where they can be had, and says why not', () => {
  assert.deepEqual(chooseMode('auto', full), { mode: 'netns' });
  assert.match(chooseMode('auto', { ...full, isRoot: false }).reason ?? '', /root/);
  assert.match(chooseMode('auto', { ...full, missing: ['nft'] }).reason ?? '', /nft/);
  assert.equal(chooseMode('auto', { ...full, platform: 'darwin' }).mode, 'loopback');
});

test('a mode that was asked for is never replaced', () => {
  assert.deepEqual(chooseMode('netns', { platform: 'darwin', isRoot: false, missing: ['ip'] }), { mode: 'netns' });
  assert.deepEqual(chooseMode('loopback', full), { mode: 'loopback' });
});
