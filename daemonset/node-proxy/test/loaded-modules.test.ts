// What a start loads: each module costs time until the proxy is ready and memory in every thread.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Prints the addresses of all modules that an entry loads, Node's own by their internal names. */
const LISTING = `
import { registerHooks } from 'node:module';
const urls = [];
registerHooks({ load(url, context, next) { urls.push(url); return next(url, context); } });
process.argv[2] = 'help';
const { write } = process.stdout;
process.stdout.write = () => true;
await import(process.env.ENTRY).catch((error) => urls.push(String(error)));
write.call(process.stdout, JSON.stringify([...urls, ...process.moduleLoadList]));
`;

function loadedBy(entry: string): readonly string[] {
  const output = execFileSync(
    process.execPath,
    ['--conditions=@ambit/source', '--input-type=module', '--eval', LISTING],
    {
      env: { ENTRY: new URL(`../src/${entry}`, import.meta.url).href },
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  return JSON.parse(output) as string[];
}

const has = (modules: readonly string[], part: string): boolean => modules.some((module) => module.includes(part));

test('a data thread loads neither gRPC nor Protobuf nor more of node-forge than ASN.1', () => {
  const modules = loadedBy('threads/data-thread.ts');
  assert.ok(has(modules, 'this file runs only as a worker thread'), 'it was loaded to its end');
  for (const part of ['@grpc/grpc-js', '@bufbuild/protobuf', 'prom-client', '/yaml/', 'koffi', 'undici/undici'])
    assert.equal(has(modules, part), false, part);
  assert.ok(modules.filter((module) => module.includes('node_modules/node-forge/')).length < 8);
});

test('the main thread loads YAML and the process metrics only when they are needed', () => {
  const modules = loadedBy('main.ts');
  assert.ok(has(modules, '@grpc/grpc-js'), 'it was loaded to its end');
  for (const part of ['/yaml/', '@opentelemetry', 'koffi', 'undici/undici'])
    assert.equal(has(modules, part), false, part);
});
