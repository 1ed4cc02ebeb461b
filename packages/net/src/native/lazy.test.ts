import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';

test('importing the package loads no native code', () => {
  const index = new URL('../index.ts', import.meta.url).href;
  const source = `
    await import(${JSON.stringify(index)});
    const { createRequire } = await import('node:module');
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes('koffi'));
    process.stdout.write(JSON.stringify(loaded));`;
  const argv = ['--conditions=@ambit/source', '--input-type=module', '--eval', source];
  assert.equal(execFileSync(process.execPath, argv, { encoding: 'utf8' }), '[]');
});
