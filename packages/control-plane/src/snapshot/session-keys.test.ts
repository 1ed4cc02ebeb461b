import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryCluster, memoryCluster } from '@ambit/kube/testing';
import { Model, modelOptions } from '@ambit/model';
import { SECRET_TYPE_URL } from '@ambit/proto/type-urls';
import { SecretSchema } from '@ambit/proto/waypoint';
import type { Secret } from '@ambit/resources';
import { testPod } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import type { ClientInfo } from '@ambit/xds/server';
import { fromBinary } from '@bufbuild/protobuf';
import { keepSessionKeys, SESSION_SECRET, type SessionKeys } from './session-keys.ts';
import { createSnapshot } from './sources.ts';

const ref = { kind: 'Secret', namespace: 'istio-system', name: SESSION_SECRET } as const;

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5)))
    assert.ok(Date.now() < deadline, 'in time');
}

function replica(client: MemoryCluster): SessionKeys & Disposable {
  const keys = keepSessionKeys({ client, namespace: 'istio-system', log: silentLogger });
  return { ...keys, [Symbol.dispose]: () => keys.close() };
}

const hex = (key: Uint8Array | undefined): string => Buffer.from(key ?? []).toString('hex');

test('replicas that start together, and one that starts later, give a Gateway the same key, and each Gateway its own', async () => {
  const cluster = memoryCluster();
  using one = replica(cluster);
  using two = replica(cluster);
  await until(() => [one.keyOf('apps/web'), two.keyOf('apps/web')].every((key) => key !== undefined));
  const key = hex(one.keyOf('apps/web'));
  assert.equal(key.length, 64);
  assert.equal(hex(two.keyOf('apps/web')), key);
  assert.notEqual(hex(one.keyOf('apps/other')), key);
  using late = replica(cluster);
  await until(() => late.keyOf('apps/web') !== undefined);
  assert.equal(hex(late.keyOf('apps/web')), key);
});

test('nothing is made, and nothing is read, before somebody asks', async () => {
  const cluster = memoryCluster();
  using _idle = replica(cluster);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(cluster.writes.length, 0);
});

test('a Secret that is deleted is made anew, and whoever holds a key is told', async () => {
  const cluster = memoryCluster();
  using keys = replica(cluster);
  let changes = 0;
  keys.onChange(() => (changes += 1));
  await until(() => keys.keyOf('apps/web') !== undefined);
  const before = hex(keys.keyOf('apps/web'));
  cluster.remove(ref);
  await until(() => hex(keys.keyOf('apps/web')) !== before);
  assert.equal(changes, 2);
});

test('a root that is too short is not taken', async () => {
  const cluster = memoryCluster();
  using keys = replica(cluster);
  await until(() => keys.keyOf('apps/web') !== undefined);
  const before = hex(keys.keyOf('apps/web'));
  const stored = cluster.objects('Secret').find(({ metadata }) => metadata.name === SESSION_SECRET) as Secret;
  cluster.put({ ...stored, data: { root: 'AAAA' } } as Secret);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(hex(keys.keyOf('apps/web')), before);
});

test('a waypoint that proved who it is may ask for its own key, nobody for another', () => {
  const key = new Uint8Array(32).fill(7);
  const keys: SessionKeys = { keyOf: () => key, onChange: () => undefined, close: () => undefined };
  const model = new Model(modelOptions());
  const pod = (name: string, account: string, labels: Record<string, string> = {}) => {
    const object = testPod('apps', name, '10.0.0.1', { labels });
    return { type: 'upsert', object: { ...object, spec: { ...object.spec, serviceAccountName: account } } } as const;
  };
  model.apply([
    pod('web-1', 'web', { 'gateway.networking.k8s.io/gateway-name': 'web' }),
    pod('other-1', 'other', { 'gateway.networking.k8s.io/gateway-name': 'other' }),
    pod('thief-1', 'thief'),
  ]);
  const source = createSnapshot(() => model, keys).sources.find(({ typeUrl }) => typeUrl === SECRET_TYPE_URL);
  assert.ok(source !== undefined);
  const client = (podName: string, account: string | undefined): ClientInfo => {
    const metadata: Record<string, string> = { GENERATOR: 'ambit', NAMESPACE: 'apps', WORKLOAD_NAME: 'web' };
    return {
      connectionId: 1,
      node: {
        id: '',
        type: 'waypoint',
        ip: '10.0.0.1',
        podName,
        podNamespace: 'apps',
        metadata: { ...metadata, LABELS: { 'gateway.networking.k8s.io/gateway-name': 'web' } },
        text: (name) => metadata[name],
      },
      identity: account === undefined ? undefined : { identities: [`spiffe://cluster.local/ns/apps/sa/${account}`] },
      peer: '',
      connectedAtMs: 0,
    };
  };
  const mayRead = (who: ClientInfo, name = 'session-key/apps/web') => source.scope?.(who)?.isReadable?.(name);
  assert.equal(mayRead(client('web-1', 'web')), true);
  assert.equal(mayRead(client('web-1', 'web'), 'session-key/apps/other'), false);
  assert.equal(mayRead(client('other-1', 'other')), false);
  assert.equal(mayRead(client('web-1', undefined)), false, 'no proof');
  assert.equal(mayRead(client('web-1', 'thief')), false, 'the pod of somebody else');
  assert.equal(mayRead(client('thief-1', 'thief')), false, 'only says that it is of the Gateway');
  const { body } = fromBinary(SecretSchema, source.get('session-key/apps/web')?.bytes ?? new Uint8Array());
  assert.deepEqual(body, { case: 'opaque', value: key });
});
