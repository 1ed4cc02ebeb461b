import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { completeEntries, type TarEntry, tarPieces } from './tar.ts';

const file = (path: string, content = '', mode = 0o644): TarEntry => ({
  kind: 'file',
  path,
  content: Buffer.from(content),
  mode,
});
const archiveOf = (entries: readonly TarEntry[], seconds = 0): Buffer =>
  Buffer.concat([...tarPieces(completeEntries(entries), seconds)]);
const tar = (archive: Buffer, ...args: readonly string[]): string =>
  execFileSync('tar', ['--quoting-style=literal', ...args], { input: archive, encoding: 'utf8' });

test('another reader of archives lists folders, modes, owners, times and targets as given', () => {
  const archive = archiveOf(
    [
      file('usr/bin/node', 'x', 0o755),
      { kind: 'link', path: 'bin', target: 'usr/bin' },
      { kind: 'folder', path: 'tmp', mode: 0o1777 },
    ],
    86_400,
  );
  assert.deepEqual(
    tar(archive, '-tv', '--utc', '--numeric-owner')
      .trim()
      .split('\n')
      .map((line) => line.replaceAll(/ +/gu, ' ')),
    [
      'lrwxrwxrwx 0/0 0 1970-01-02 00:00 bin -> usr/bin',
      'drwxrwxrwt 0/0 0 1970-01-02 00:00 tmp/',
      'drwxr-xr-x 0/0 0 1970-01-02 00:00 usr/',
      'drwxr-xr-x 0/0 0 1970-01-02 00:00 usr/bin/',
      '-rwxr-xr-x 0/0 1 1970-01-02 00:00 usr/bin/node',
    ],
  );
});

test('paths and targets of every length around the limit of a header are read back whole', () => {
  for (const length of [1, 84, 85, 99, 100, 101, 102, 250, 990, 1010]) {
    const path = `a/${'é'.repeat(4)}${'b/'.repeat(Math.floor(length / 2))}c`;
    const target = 't'.repeat(length);
    const listed = tar(archiveOf([file(path), { kind: 'link', path: 'z', target }]), '-tv')
      .trim()
      .split('\n');
    assert.ok(
      listed.some((line) => line.endsWith(` ${path}`)),
      `path of ${Buffer.byteLength(path)} bytes`,
    );
    assert.ok(
      listed.some((line) => line.endsWith(` z -> ${target}`)),
      `target of ${length} bytes`,
    );
  }
});

test('contents of every length around a block are read back unchanged', () => {
  for (const length of [0, 1, 511, 512, 513, 1024]) {
    const content = 'y'.repeat(length);
    assert.equal(tar(archiveOf([file('f', content), file('g', 'after')]), '-xO', 'f'), content);
  }
});

test('the same files in another order give the same bytes', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[a-c]\/[a-z]{1,120}$/u), { maxLength: 12 }),
      fc.infiniteStream(fc.nat()),
      (paths, order) => {
        const entries = paths.map((path) => file(path, path));
        const shuffled = entries
          .map((entry) => ({ entry, key: Number(order.next().value) }))
          .toSorted((left, right) => left.key - right.key)
          .map(({ entry }) => entry);
        assert.ok(archiveOf(entries).equals(archiveOf(shuffled)));
      },
    ),
    { numRuns: 50 },
  );
});

test('a path that leaves the image, two files in one place, and a file under a file are refused by name', () => {
  for (const path of ['../etc/passwd', '/etc/passwd', 'a//b', 'a/./b', '', 'a\0b'])
    assert.throws(() => archiveOf([file(path)]), { code: 'ERR_IMAGES_PATH' }, path);
  assert.throws(() => archiveOf([file('a', '1'), file('a', '2')]), {
    message: 'two different entries have the path a',
  });
  assert.throws(() => archiveOf([file('a'), file('a/b')]), { message: 'a/b lies under a, which is a file' });
  assert.equal(completeEntries([file('a', '1'), file('a', '1')]).length, 1);
});
