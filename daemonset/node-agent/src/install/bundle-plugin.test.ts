import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { readPlugin } from './build-plugin.ts';
import { bundlePlugin } from './bundle-plugin.ts';

const resolver = (modules: Readonly<Record<string, string>>) => ({
  read: (path: string) => modules[path] ?? '',
  resolve: (specifier: string) => (specifier.startsWith('node:') ? undefined : specifier),
});

test('names of one module do not meet those of another', async () => {
  const text = bundlePlugin(
    'main',
    resolver({
      main: "import { a as first } from 'one';\nimport { b } from 'two';\nconst value = 1;\nglobalThis.seen = [first(), b, value];",
      one: "import { b } from 'two';\nconst value = 2;\nexport function a() { return value + b; }",
      two: 'const value = 3;\nexport const b = value;',
    }),
  );
  await import(`data:text/javascript,${encodeURIComponent(text)}`);
  assert.deepEqual((globalThis as { seen?: unknown }).seen, [5, 3, 1]);
  delete (globalThis as { seen?: unknown }).seen;
});

test('what is not understood is refused instead of dropped', () => {
  for (const main of ["import all from 'one';", "import 'one';", 'export default 1;', "export { a } from 'one';"])
    assert.throws(() => bundlePlugin('main', resolver({ main, one: '' })), /not understood/, main);
  assert.throws(
    () => bundlePlugin('a', resolver({ a: "import { b } from 'b';", b: "import { a } from 'a';" })),
    /each other/,
  );
});

test('the joined plugin speaks the protocol and needs nothing but Node', () => {
  const text = readPlugin();
  assert.ok(
    text
      .split('\n')
      .filter((line) => line.startsWith('import '))
      .every((line) => line.includes("'node:")),
  );
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-'], {
    input: text,
    encoding: 'utf8',
    env: { CNI_COMMAND: 'VERSION' },
  });
  assert.equal(status, 0);
  assert.match(stdout, /"supportedVersions"/);
});
