import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createIntermediate, createSelfSignedRoot } from '@ambit/identity';
import { keepAuthority, rootChangeRefusal } from './authority-keeper.ts';

const lives = { defaultTtlMs: 3_600_000, maxTtlMs: 7_200_000 };
const rootOf = (trustDomain: string) => ({ ...createSelfSignedRoot({ trustDomain }), crlPem: '' });

test('material that does not fit together is refused and changes nothing', () => {
  const [one, two] = [rootOf('a'), rootOf('b')];
  const keeper = keepAuthority(one, lives);
  let changes = 0;
  keeper.onChange(() => changes++);
  assert.throws(() => keeper.replace({ ...two, keyPem: one.keyPem }));
  assert.equal(keeper.material, one);
  assert.equal(changes, 0);
  const below = { ...createIntermediate(one, { commonName: 'i' }), crlPem: '' };
  keeper.replace(below);
  assert.equal(keeper.current.rootPem, one.rootPem);
  assert.equal(changes, 1);
});

test('roots are exchanged step by step: added, switched, dropped', () => {
  const [a, b] = [rootOf('a').rootPem, rootOf('b').rootPem];
  assert.equal(rootChangeRefusal(a, a, false), undefined);
  assert.equal(rootChangeRefusal(a + b, b + a, false), undefined);
  assert.match(rootChangeRefusal(a, a + b, false) ?? '', /ISTIO_MULTIROOT_MESH/);
  assert.equal(rootChangeRefusal(a, a + b, true), undefined);
  assert.equal(rootChangeRefusal(a + b, b, true), undefined);
  assert.match(rootChangeRefusal(a, b, true) ?? '', /neither/);
});
