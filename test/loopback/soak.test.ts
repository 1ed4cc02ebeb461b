// The short form of `bench soak`: each engine of ours carries thousands of tunnels under rotation, changes no byte, leaves
// no descriptor and no block behind, and does not grow with the number of connections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify } from '../perf/soak/memory.ts';
import { soak } from '../perf/soak/soak.ts';

/** Growth of anonymous memory from the middle of a run to its end that no garbage collector explains. */
const MAX_GROWTH_KB = 24 * 1024;

for (const engine of ['framed', 'libssl']) {
  test(`engine ${engine} under load and rotation`, { timeout: 240_000 }, async () => {
    const result = await soak(engine, { seconds: 90, tunnels: 0, rotateSeconds: 3, compileSeconds: 0 });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    assert.equal(result.wrong, 0, `${result.firstProblem}`);
    assert.ok(result.tunnels > 200 && result.rotations > 5 && result.handshakes > 5);
    assert.ok(result.descriptors[1] <= result.descriptors[0], `descriptors ${result.descriptors.join(' -> ')}`);
    assert.equal(result.lentBlocks, 0, 'blocks are missing');
    assert.deepEqual(result.warnings, []);
    const [middle = 0, end = 0] = result.anonymousKb;
    assert.ok(end - middle < MAX_GROWTH_KB, `anonymous memory ${middle} -> ${end} KB`);
  });
}

test("resident memory by what it is for: pages of files are nobody's, what was swapped out still is somebody's", () => {
  const mapping = (head: string, rss: number, anonymous: number, swap = 0): string =>
    `${head}\nRss: ${rss} kB\nPss: ${rss} kB\nAnonymous: ${anonymous} kB\nSwap: ${swap} kB\n`;
  const smaps = [
    mapping('00400000-0082e000 r--p 00000000 fe:00 1004 /bin/node', 100, 0),
    mapping('072dc000-07308000 rw-p 06edc000 fe:00 1004 /bin/node', 20, 15),
    mapping('260a3000-2638c000 rw-p 00000000 00:00 0 [heap]', 7, 7, 3),
    mapping('1cd440000-1cd480000 rw-p 00000000 00:00 0 ', 11, 11),
    mapping('7fe2d8000000-7fe2d8179000 rw-p 00000000 00:00 0 ', 13, 13),
    mapping('7fe2f8000000-7fe317dc0000 rwxp 00000000 00:00 0 ', 17, 17),
    mapping('7fe32490a000-7fe32510a000 rw-p 00000000 00:00 0 ', 19, 19),
  ].join('');
  assert.deepEqual(classify(smaps), { file: 105, code: 17, heap: 11, arenas: 23, other: 34 });
});
