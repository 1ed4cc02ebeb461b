// The local cluster in loopback mode, as any user: a workload from deployment to deletion, and nothing left.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askImage, startTestCluster, walkWorkload, webImage } from '../fixtures/local-cluster.ts';

test('a workload walks from deployment to deletion', { timeout: 120_000 }, async () => {
  const cluster = await startTestCluster('loopback', [webImage, askImage]);
  {
    await using running = cluster;
    await walkWorkload(running);
  }
  assert.equal(cluster.process.exitCode, 0, cluster.output());
});
