import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseClusterWishes } from './cluster-file.ts';
import { addImages } from './image-map.ts';

test('a file holds settings of the cluster and objects, and paths are meant from its folder', () => {
  const wishes = parseClusterWishes(
    `kind: LocalCluster
nodes: 3
mode: loopback
mesh: true
images: [{ match: shop/web, command: [node], files: { /opt/web: ./web } }]
---
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
`,
    '/srv/shop/mesh.yaml',
  );
  assert.deepEqual([wishes.nodes, wishes.mode, wishes.hasMesh], [3, 'loopback', true]);
  assert.deepEqual(wishes.images[0]?.['files'], { '/opt/web': '/srv/shop/web' });
  assert.deepEqual(
    wishes.objects.map(({ kind, metadata }) => [kind, metadata?.name]),
    [['Namespace', 'shop']],
  );
});

test('a file that cannot be meant is refused before anything starts', () => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['kind: LocalCluster\nnodes: 10', /nodes must be/],
    ['kind: LocalCluster\nmode: fast', /mode must be/],
    ['kind: LocalCluster\nnode: 1', /no field "node"/],
    ['kind: LocalCluster\nimages: [{ command: [x] }]', /entries with `match`/],
    ['kind: ConfigMap\nmetadata: { name: a }', /document 1 needs apiVersion/],
    ['a: [', /document 1: /],
    ['- a', /document 1 is no object/],
  ];
  for (const [text, message] of bad)
    assert.throws(
      () => parseClusterWishes(text, 'mesh.yaml'),
      (error: Error & { code?: string }) => error.code === 'ERR_CLI_INVALID' && message.test(error.message),
      text,
    );
});

test('a loaded image comes first and replaces the one before', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-cli-'));
  try {
    addImages(folder, [{ match: 'a', command: ['one'] }]);
    addImages(folder, [{ match: 'b', command: ['two'] }]);
    addImages(folder, [{ match: 'a', command: ['three'] }]);
    const lines = readFileSync(join(folder, 'images.yaml'), 'utf8');
    assert.equal(lines, '- match: a\n  command:\n    - three\n- match: b\n  command:\n    - two\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
