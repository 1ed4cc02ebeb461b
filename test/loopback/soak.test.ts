// The short form of `bench soak`: each engine of ours carries thousands of tunnels under rotation, changes no byte, leaves
// no descriptor and no block behind, and does not grow with the number of connections.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { soak } from '../perf/soak/soak.ts';

/** Growth of resident memory from the middle of a run to its end that no garbage collector explains. */
const MAX_GROWTH_KB = 24 * 1024;

for (const engine of ['framed', 'libssl']) {
  test(`engine ${engine} under load and rotation`, { timeout: 240_000 }, async () => {
    const result = await soak(engine, { seconds: 90, tunnels: 0, rotateSeconds: 3 });
    process.stdout.write(`${JSON.stringify(result)}\n`);
    assert.equal(result.wrong, 0, `${result.firstProblem}`);
    assert.ok(result.tunnels > 200 && result.rotations > 5 && result.handshakes > 5);
    assert.ok(result.descriptors[1] <= result.descriptors[0], `descriptors ${result.descriptors.join(' -> ')}`);
    assert.equal(result.lentBlocks, 0, 'blocks are missing');
    assert.deepEqual(result.warnings, []);
    const [middle = 0, end = 0] = result.rssKb;
    assert.ok(end - middle < MAX_GROWTH_KB, `resident memory ${middle} -> ${end} KB`);
  });
}
