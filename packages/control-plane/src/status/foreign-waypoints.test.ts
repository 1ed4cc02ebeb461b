import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCluster } from '@ambit/kube/testing';
import { Model, modelOptions } from '@ambit/model';
import type { Gateway } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { createForeignWaypoints, PROXY_CONDITION } from './foreign-waypoints.ts';

const object: Gateway = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'wp', namespace: 'apps' },
  spec: { gatewayClassName: 'istio-waypoint' },
};

test('a refused proxy is told on its Gateway once, and never on a Gateway that does not exist', async () => {
  const cluster = memoryCluster();
  cluster.put(object);
  const model = new Model(modelOptions());
  const follow = (): void => void model.apply(cluster.objects('Gateway').map((o) => ({ type: 'upsert', object: o })));
  follow();
  const foreign = createForeignWaypoints(cluster, () => model, silentLogger);
  for (const gateway of ['apps/wp', 'apps/wp', 'apps/none']) foreign.refused(gateway, 'Envoy needs istiod');
  await new Promise(setImmediate);
  assert.deepEqual(
    cluster.objects('Gateway')[0]?.status?.conditions?.map(({ type, status, message }) => [type, status, message]),
    [[PROXY_CONDITION, 'False', 'Envoy needs istiod']],
  );
  assert.equal(cluster.writes.length, 1);
  follow();
  foreign.served('apps/wp');
  await new Promise(setImmediate);
  assert.deepEqual(cluster.writes.at(-1)?.object['status'], { conditions: [] });
});
