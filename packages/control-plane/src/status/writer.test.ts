import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeClient } from '@ambit/kube';
import { memoryCluster } from '@ambit/kube/testing';
import type { ModelDiff } from '@ambit/model';
import { testModel } from '@ambit/model/testing';
import { testService } from '@ambit/resources/testing';
import { silentLogger } from '@ambit/runtime/log';
import { createStatusWriter } from './writer.ts';

function diffOf(message: string): ModelDiff {
  const none = { updated: new Set<string>(), removed: new Set<string>() };
  const condition = { type: 'istio.io/WaypointBound', status: 'True', reason: 'WaypointAccepted', message } as const;
  return {
    addresses: none,
    authorizations: none,
    config: new Map(),
    statuses: [],
    conditions: [
      { kind: 'Service', namespace: 'apps', name: 'web', manager: 'istio-ambient-service', conditions: [condition] },
    ],
  };
}

test('the newest wish wins, also when an older write is slow', async () => {
  const cluster = memoryCluster();
  cluster.put(testService('apps', 'web', '10.96.0.1', {}));
  const gate = Promise.withResolvers<void>();
  let calls = 0;
  const slow: KubeClient = {
    ...cluster,
    get: async (ref) => {
      const found = await cluster.get(ref);
      if (calls++ === 0) await gate.promise;
      return found;
    },
  };
  const options = { client: slow, workers: 4, writesConditions: true, writesGatewayStatus: true, log: silentLogger };
  const writer = createStatusWriter(options);
  writer.lead(testModel([]), new AbortController().signal);
  writer.onDiff(diffOf('old'));
  writer.onDiff(diffOf('new'));
  await new Promise((resolve) => setImmediate(resolve));
  gate.resolve();
  const messages = (): (string | undefined)[] =>
    cluster.writes.map((w) => (w.object['status'] as { conditions: { message?: string }[] }).conditions[0]?.message);
  for (let i = 0; i < 100 && messages().at(-1) !== 'new'; i++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(messages(), ['old', 'new']);
});

test('a replica that does not lead writes nothing', async () => {
  const cluster = memoryCluster();
  cluster.put(testService('apps', 'web', '10.96.0.1', {}));
  const options = { client: cluster, workers: 4, writesConditions: true, writesGatewayStatus: true, log: silentLogger };
  const writer = createStatusWriter(options);
  writer.onDiff(diffOf('early'));
  const term = new AbortController();
  writer.lead(testModel([]), term.signal);
  term.abort();
  writer.onDiff(diffOf('late'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(cluster.writes, []);
});
