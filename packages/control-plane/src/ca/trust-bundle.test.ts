import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@ambit/kube';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import { createLogger, silentLogger } from '@ambit/runtime/log';
import { publishTrustBundle } from './trust-bundle.ts';

const bundleIn = (cluster: MemoryCluster): unknown => cluster.objects('ClusterTrustBundle')[0]?.['spec' as never];

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 1)))
    assert.ok(Date.now() < deadline, what);
}

test('the bundle follows the roots, and is put back when somebody changes or deletes it', async () => {
  const cluster = memoryCluster();
  const stop = new AbortController();
  let roots = 'ROOT 1';
  const bundle = publishTrustBundle({ client: cluster, text: () => roots, log: silentLogger, signal: stop.signal });
  const wanted = () => JSON.stringify({ signerName: 'istio.io/istiod-ca', trustBundle: roots });
  await until('the first roots', () => JSON.stringify(bundleIn(cluster)) === wanted());
  roots = 'ROOT 1\nROOT 2';
  bundle.refresh();
  await until('other roots', () => JSON.stringify(bundleIn(cluster)) === wanted());
  const name = 'istio.io:istiod-ca:root-cert';
  cluster.put({ kind: 'ClusterTrustBundle', metadata: { name }, spec: { trustBundle: 'x' } } as never);
  await until('put right', () => JSON.stringify(bundleIn(cluster)) === wanted());
  cluster.remove({ kind: 'ClusterTrustBundle', name });
  await until('made again', () => JSON.stringify(bundleIn(cluster)) === wanted());
  stop.abort();
  const writes = cluster.writes.length;
  roots = 'ROOT 3';
  bundle.refresh();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(cluster.writes.length, writes, 'who leads no more writes no more');
});

test('a server without the kind is told once', async () => {
  const cluster = memoryCluster();
  const lines: string[] = [];
  const log = createLogger({ level: 'warn', format: 'plain', write: (line) => lines.push(line) });
  const stop = new AbortController();
  let attempts = 0;
  const create: MemoryCluster['create'] = async () => {
    attempts += 1;
    throw new KubeError('ERR_KUBE_NOT_FOUND', 'no such kind');
  };
  const client = { ...cluster, create };
  const bundle = publishTrustBundle({ client, text: () => 'ROOT', log, signal: stop.signal });
  await until('the first attempt', () => attempts === 1);
  bundle.refresh();
  await until('another attempt', () => attempts === 2);
  stop.abort();
  assert.equal(lines.length, 1, lines.join(''));
});
