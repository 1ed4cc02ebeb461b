import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { bundleProgram } from './bundle-program.ts';

/** A compiled program and its packages as files. */
function programOf(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), 'ambit-bundle-test-'));
  const write = (path: string, content: string | Buffer): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  write('package.json', '{ "type": "module" }');
  for (const [path, content] of Object.entries(files)) write(path, content);
  return { root, write, [Symbol.dispose]: () => rmSync(root, { recursive: true }) };
}

test('a program and its thread run from one file each: modules of both kinds are in it, what is loaded at run time is not', async () => {
  using program = programOf({
    'dist/src/main.js': `
      import { Worker } from 'node:worker_threads';
      import { createRequire } from 'node:module';
      import { one } from './one.js';
      import old from 'old';
      const native = createRequire(import.meta.url)('native');
      const worker = new Worker(new URL('./data-thread.js', import.meta.url));
      worker.on('message', (text) => console.log(one, old.two, native.three, text));`,
    'dist/src/threads/data-thread.js': `
      import { parentPort } from 'node:worker_threads';
      import { one } from '../one.js';
      parentPort.postMessage('thread ' + one);`,
    'dist/src/one.js': "export const one = 'shared';",
    'node_modules/old/package.json': '{ "main": "index.js" }',
    'node_modules/old/index.js': "exports.two = require('./two.js');",
    'node_modules/old/two.js': "module.exports = require('node:path').basename('/a/old');",
    'node_modules/native/package.json': '{ "main": "index.js" }',
    'node_modules/native/index.js': "exports.three = 'native';",
  });
  const entries = await bundleProgram(program.root, 'x', ['main.js', 'threads/data-thread.js']);
  const joined = entries.map(({ path, ...entry }) => {
    assert.ok(entry.kind === 'file');
    program.write(path, entry.content);
    return entry.content.toString();
  });
  assert.ok(joined.every((text) => !text.includes("'native';") && !text.includes('"native";')));
  for (const gone of ['dist', 'node_modules/old']) rmSync(join(program.root, gone), { recursive: true });
  const output = execFileSync(process.execPath, [join(program.root, 'app/x/dist/bundle/main.js')], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(output, 'shared old native thread shared\n');
});

test('an import that leads nowhere is told, and nothing is written', async () => {
  using program = programOf({ 'dist/src/main.js': "import './absent.js';" });
  await assert.rejects(bundleProgram(program.root, 'x', ['main.js']), { code: 'ERR_IMAGES_INCOMPLETE' });
});
