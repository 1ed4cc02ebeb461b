import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { allocatedBytes } from './free-memory.ts';

/** Frees 64 MB below a block that stays, so that only a trim can give them back. */
const frees = `
  const { giveBackFreeMemory } = await import(${JSON.stringify(new URL('free-memory.ts', import.meta.url).href)});
  const blocks = Array.from({ length: 4096 }, () => Buffer.allocUnsafeSlow(16_384).fill(1));
  globalThis.last = blocks.at(-1);
  blocks.length = 0;
  gc();
  gc();
  const before = process.memoryUsage().rss;
  const gaveBack = giveBackFreeMemory();
  process.stdout.write(JSON.stringify({ gaveBack, fell: before - process.memoryUsage().rss }));`;

test('what was freed below a block that stays is given back, where the C library can', () => {
  const header = (process.report.getReport() as { readonly header: object }).header;
  const argv = ['--expose-gc', '--conditions=@ambit/source', '--input-type=module', '--eval', frees];
  const { gaveBack, fell } = JSON.parse(execFileSync(process.execPath, argv, { encoding: 'utf8' })) as {
    readonly gaveBack: boolean;
    readonly fell: number;
  };
  assert.equal(gaveBack, 'glibcVersionRuntime' in header);
  if (gaveBack) assert.ok(fell > 32 * 1024 * 1024, `${fell} bytes`);
});

test('what is allocated is counted, where the C library can', () => {
  const { header } = process.report.getReport() as { readonly header: object };
  const before = allocatedBytes();
  const block = Buffer.allocUnsafeSlow(32 * 1024 * 1024);
  const after = allocatedBytes();
  assert.equal(before !== undefined && after !== undefined, 'glibcVersionRuntime' in header);
  if (before !== undefined && after !== undefined)
    assert.ok(after - before > block.length / 2, `${after - before} bytes`);
});
