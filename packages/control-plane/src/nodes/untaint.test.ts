import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCluster } from '@ambit/kube/testing';
import type { KubernetesObject, Node } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import { readyAgentNode, taintsWithout, untaintNodes } from './untaint.ts';

const key = 'cni.istio.io/not-ready';
const ours = { key, effect: 'NoSchedule' };
const other = { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' };
const nodeOf = (name: string, taints: readonly Record<string, unknown>[] = [ours, other]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: { taints: [...taints] },
});
const agentOn = (nodeName: string, ready: boolean, more: object = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: `istio-cni-node-${nodeName}`,
    namespace: 'istio-system',
    labels: { 'k8s-app': 'istio-cni-node' },
    ...more,
  },
  spec: { nodeName, containers: [] },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});

test('only a pod that is ready and stays counts as a ready agent', () => {
  assert.equal(readyAgentNode(agentOn('n1', true)), 'n1');
  assert.equal(readyAgentNode(agentOn('n1', false)), undefined);
  assert.equal(readyAgentNode(agentOn('n1', true, { deletionTimestamp: '2026-01-01T00:00:00Z' })), undefined);
  assert.equal(readyAgentNode({ apiVersion: 'v1', kind: 'Pod', metadata: {} }), undefined);
});

test('the other taints of a node stay', () => {
  assert.deepEqual(taintsWithout(nodeOf('n'), key), [other]);
  assert.equal(taintsWithout(nodeOf('n', [other]), key), undefined);
  assert.equal(taintsWithout({ metadata: { name: 'n' } }, key), undefined);
});

test('a node loses the taint when its agent becomes ready, and again when somebody puts it back; others keep it', async () => {
  const cluster = memoryCluster();
  const stop = new AbortController();
  for (const name of ['n1', 'n2']) cluster.put(nodeOf(name));
  cluster.put(agentOn('n1', false));
  cluster.put(agentOn('n2', false));
  const client = cluster;
  untaintNodes({ client, namespace: 'istio-system', taint: key, log: silentLogger, signal: stop.signal });
  const taintsOf = (name: string): unknown =>
    cluster.objects('Node').find(({ metadata }) => metadata.name === name)?.spec?.taints;
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
  };
  const hasOnlyOther = (): boolean => JSON.stringify(taintsOf('n1')) === JSON.stringify([other]);
  cluster.put(agentOn('n1', true));
  await until(hasOnlyOther);
  cluster.put(nodeOf('n1'));
  await until(hasOnlyOther);
  assert.deepEqual(taintsOf('n2'), [ours, other]);
  stop.abort();
});
