import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countVersions, skewOf, tagOf } from './versions.ts';

test('the tag of an image is found behind a registry with a port and before a digest', () => {
  assert.equal(tagOf('registry:5000/ambit/ztunnel:1.2.3@sha256:abc'), '1.2.3');
  assert.equal(tagOf('registry:5000/ambit/ztunnel'), '');
});

test('a data plane may be one minor version older, never newer', () => {
  assert.equal(skewOf('1.32.0', '1.31.5'), undefined);
  assert.match(skewOf('1.32.0', '1.33.0') ?? '', /newer/);
  assert.match(skewOf('1.32.0', '1.30.0') ?? '', /more than one minor/);
  assert.equal(skewOf('dev', '1.30.0'), undefined);
});

test('pods are counted by version, ended ones left out', () => {
  const pod = (image: string, phase = 'Running'): object => ({ spec: { containers: [{ image }] }, status: { phase } });
  assert.deepEqual(countVersions([pod('a/b:2'), pod('a/b:1'), pod('a/b:1'), pod('a/b:1', 'Failed')] as never), [
    { version: '1', count: 2 },
    { version: '2', count: 1 },
  ]);
});
