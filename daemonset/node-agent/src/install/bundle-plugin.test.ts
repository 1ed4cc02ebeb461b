import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { runInThisContext } from 'node:vm';
import { readPlugin } from './build-plugin.ts';
import { bundlePlugin } from './bundle-plugin.ts';

const resolver = (modules: Readonly<Record<string, string>>) => ({
  read: (path: string) => modules[path] ?? '',
  resolve: (specifier: string) => (specifier.startsWith('node:') ? undefined : specifier),
});

test('names of one module do not meet those of another', async () => {
  const seen = Promise.withResolvers<unknown>();
  const text = bundlePlugin(
    'main',
    resolver({
      main: "import { a as first } from 'one';\nimport { b } from 'two';\nconst value = 1;\nglobalThis.see([first(), b, value]);",
      one: "import { b } from 'two';\nconst value = 2;\nexport function a() { return value + b; }",
      two: 'const value = 3;\nexport const b = value;',
    }),
  );
  Object.assign(globalThis, { see: seen.resolve });
  runInThisContext(text);
  assert.deepEqual(await seen.promise, [5, 3, 1]);
  Reflect.deleteProperty(globalThis, 'see');
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
  const required = text.split('require(').slice(1);
  assert.ok(required.length > 2 && required.every((rest) => rest.startsWith("'node:")), required.join('\n'));
  assert.ok(!text.includes('import('));
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=commonjs', '-'], {
    input: text,
    encoding: 'utf8',
    env: { CNI_COMMAND: 'VERSION' },
  });
  assert.equal(status, 0);
  assert.match(stdout, /"supportedVersions"/);
});
