import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { licencesIn, parseLibraries, placeOf } from './debian.ts';
import { placePackages, placesSeenFrom } from './installed-packages.ts';
import { isShipped } from './program-layer.ts';

/** A checkout as pnpm lays it out, from `package -> its dependencies`. */
function checkout(links: Readonly<Record<string, readonly string[]>>) {
  const root = mkdtempSync(join(tmpdir(), 'ambit-images-test-'));
  const folderOf = (id: string): string => {
    const [name = ''] = id.split('@');
    return name === 'app' ? join(root, 'app') : join(root, 'node_modules/.pnpm', id, 'node_modules', name);
  };
  for (const [id, needs] of Object.entries(links)) {
    const [name = '', version = ''] = id.split('@');
    mkdirSync(folderOf(id), { recursive: true });
    const dependencies = Object.fromEntries(needs.map((need) => need.split('@')));
    writeFileSync(join(folderOf(id), 'package.json'), JSON.stringify({ name, version, dependencies }));
  }
  for (const [id, needs] of Object.entries(links)) {
    for (const need of needs.filter((each) => each in links)) {
      const [name = ''] = need.split('@');
      const beside = id.startsWith('app') ? join(folderOf(id), 'node_modules') : dirname(folderOf(id));
      mkdirSync(beside, { recursive: true });
      symlinkSync(folderOf(need), join(beside, name));
    }
  }
  return { app: join(root, 'app'), [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

test('each package stands once at the top, and a second version inside the one that asks for it', () => {
  using made = checkout({ 'app@0': ['a@1', 'b@1'], 'a@1': ['c@1'], 'b@1': ['c@2'], 'c@1': [], 'c@2': ['a@1'] });
  assert.deepEqual(
    placePackages(made.app).map(({ place, manifest, isOurs }) => `${place} ${manifest.version} ${isOurs}`),
    [
      'node_modules/app 0 true',
      'node_modules/a 1 false',
      'node_modules/b 1 false',
      'node_modules/c 1 false',
      'node_modules/b/node_modules/c 2 false',
    ],
  );
});

test('a package that is not installed is named with who needs it', () => {
  using made = checkout({ 'app@0': ['a@1'] });
  assert.throws(() => placePackages(made.app), {
    code: 'ERR_IMAGES_INCOMPLETE',
    message: 'app needs a, which is not installed',
  });
});

test('Node looks from the innermost folder outwards', () => {
  assert.deepEqual(placesSeenFrom('node_modules/b/node_modules/c', 'd'), [
    'node_modules/b/node_modules/c/node_modules/d',
    'node_modules/b/node_modules/d',
    'node_modules/d',
  ]);
});

test('code, data and licences are shipped; types, maps, sources of C and builds for another libc are not', () => {
  for (const path of ['index.js', 'lib/a.cjs', 'package.json', 'LICENSE', 'NOTICE.txt', 'linux_x64/koffi.node'])
    assert.equal(isShipped(path), true, path);
  for (const path of [
    'index.d.ts',
    'a.js.map',
    'src/ffi.cc',
    'README.md',
    'musl_x64/koffi.node',
    'node_modules/x/i.js',
  ])
    assert.equal(isShipped(path), false, path);
});

test('libraries are read from the text of ldd, and a missing one is an error with its name', () => {
  const text =
    '\tlinux-vdso.so.1 (0x7f)\n\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n';
  assert.deepEqual(parseLibraries(text, 'node'), ['/lib/x86_64-linux-gnu/libm.so.6', '/lib64/ld-linux-x86-64.so.2']);
  assert.throws(() => parseLibraries('\tlibz.so.1 => not found\n', 'node'), {
    code: 'ERR_IMAGES_MACHINE',
    message: 'node needs libz.so.1, which this machine lacks',
  });
});

test('files of folders that Debian merged go below usr', () => {
  assert.equal(placeOf('/lib64/ld-linux-x86-64.so.2'), 'usr/lib64/ld-linux-x86-64.so.2');
  assert.equal(placeOf('/usr/sbin/nft'), 'usr/sbin/nft');
  assert.equal(placeOf('/opt/x'), 'opt/x');
});

test('licences are the short names of a copyright file, once each', () => {
  assert.deepEqual(licencesIn('License: GPL-3\n text\nLicense: MIT\nLicense: GPL-3\n License: not at the start\n'), [
    'GPL-3',
    'MIT',
  ]);
  assert.deepEqual(licencesIn('This is the Debian version of something.'), []);
});
