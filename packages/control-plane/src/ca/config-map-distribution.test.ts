import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KubeError } from '@ambit/kube';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import { testNamespace } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { type DistributionOptions, distributeText } from './config-map-distribution.ts';

const NAME = 'istio-ca-crl';

/** A distribution of a revocation list that may be exchanged. */
function distribution(cluster: MemoryCluster, more: Partial<DistributionOptions> = {}) {
  const stop = new AbortController();
  const held = { text: '' };
  const running = distributeText({
    client: cluster,
    name: NAME,
    key: 'ca-crl.pem',
    text: () => held.text,
    log: silentLogger,
    signal: stop.signal,
    ...more,
  });
  return { ...running, held, [Symbol.dispose]: () => stop.abort() };
}

const textIn = (cluster: MemoryCluster, namespace: string): string | undefined =>
  cluster.objects('ConfigMap').find(({ metadata }) => metadata.namespace === namespace && metadata.name === NAME)
    ?.data?.['ca-crl.pem'];

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 1)))
    assert.ok(Date.now() < deadline, what);
}

test('every namespace has the list, an empty one at first, and is told of each new one', async () => {
  const cluster = memoryCluster();
  for (const name of ['apps', 'kube-system', 'kube-public']) cluster.put(testNamespace(name));
  using lists = distribution(cluster);
  await until('empty lists', () => textIn(cluster, 'apps') === '' && textIn(cluster, 'kube-system') === '');
  lists.held.text = 'LIST 1';
  lists.refresh();
  await until('the list', () => textIn(cluster, 'apps') === 'LIST 1' && textIn(cluster, 'kube-system') === 'LIST 1');
  cluster.put(testNamespace('later'));
  await until('a new namespace', () => textIn(cluster, 'later') === 'LIST 1');
  assert.equal(textIn(cluster, 'kube-public'), undefined);
});

test('what somebody changes or deletes is put back, and what else is in the object stays', async () => {
  const cluster = memoryCluster();
  cluster.put(testNamespace('apps'));
  using lists = distribution(cluster);
  lists.held.text = 'LIST';
  await until('the list', () => textIn(cluster, 'apps') === 'LIST');
  cluster.put({
    kind: 'ConfigMap',
    metadata: { namespace: 'apps', name: NAME },
    data: { other: 'kept', 'ca-crl.pem': 'x' },
  });
  await until('put right', () => textIn(cluster, 'apps') === 'LIST');
  const [map] = cluster.objects('ConfigMap');
  assert.deepEqual([map?.data?.['other'], map?.metadata.labels], ['kept', { 'istio.io/config': 'true' }]);
  cluster.remove({ kind: 'ConfigMap', namespace: 'apps', name: NAME });
  await until('made again', () => textIn(cluster, 'apps') === 'LIST');
});

test('namespaces outside of the mesh and those on their way out get none; one that comes in gets it at the next look', async () => {
  const cluster = memoryCluster();
  cluster.put(testNamespace('in', { mesh: 'yes' }));
  cluster.put(testNamespace('out'));
  const going = testNamespace('going', { mesh: 'yes' });
  cluster.put({ ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } });
  let selected = 'yes';
  using lists = distribution(cluster, {
    isIncluded: ({ metadata }) => (metadata.labels?.['mesh'] ?? 'no') === selected,
  });
  await until('the one in', () => textIn(cluster, 'in') === '');
  assert.equal(textIn(cluster, 'out'), undefined);
  selected = 'no';
  lists.held.text = 'LIST';
  lists.refresh();
  await until('the other one', () => textIn(cluster, 'out') === 'LIST');
  assert.deepEqual([textIn(cluster, 'in'), textIn(cluster, 'going')], ['', undefined]);
});

test('a namespace that may not be written holds no other up', async () => {
  const cluster = memoryCluster();
  for (const name of ['a-forbidden', 'b-broken', 'c-good']) cluster.put(testNamespace(name));
  let failures = 0;
  const create: MemoryCluster['create'] = async (object, options) => {
    if (object.metadata?.namespace === 'a-forbidden') throw new KubeError('ERR_KUBE_FORBIDDEN', 'no role');
    if (object.metadata?.namespace === 'b-broken' && failures++ === 0)
      throw new KubeError('ERR_KUBE_UNREACHABLE', 'gone');
    return cluster.create(object, options);
  };
  using _lists = distribution(cluster, { client: { ...cluster, create } });
  await until('the good one', () => textIn(cluster, 'c-good') === '');
  await until('the broken one, later', () => textIn(cluster, 'b-broken') === '');
  assert.equal(textIn(cluster, 'a-forbidden'), undefined);
});
