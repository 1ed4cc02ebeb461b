import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { testModel } from '../testing/index.ts';

const gateway = (gatewayClassName: string): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'g', namespace: 'apps' },
  spec: { gatewayClassName, listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
  status: { addresses: [{ type: 'IPAddress', value: '10.0.0.1' }] },
});
const gatewayClass = (name: string, controllerName: string): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GatewayClass',
  metadata: { name },
  spec: { controllerName },
});

test('a Gateway whose role nobody takes is told so and keeps its addresses', () => {
  for (const [name, objects] of [
    ['istio', []],
    ['istio-east-west', []],
    ['mine', [gatewayClass('mine', 'istio.io/gateway-controller')]],
  ] as const) {
    const [status, ...more] = testModel([gateway(name), ...objects]).statuses();
    assert.equal(more.length, 0);
    assert.ok(status?.kind === 'Gateway');
    assert.deepEqual(
      status.conditions.map(({ type, status: is, reason }) => [type, is, reason]),
      [
        ['Accepted', 'False', 'UnsupportedRole'],
        ['Programmed', 'False', 'Invalid'],
      ],
    );
    assert.deepEqual(status.addresses, [{ type: 'IPAddress', value: '10.0.0.1' }]);
  }
});

test('a Gateway of another controller, or one that somebody serves, gets no status from us', () => {
  const foreign = [gateway('istio'), gatewayClass('istio', 'example.com/other')];
  assert.deepEqual([...testModel(foreign).statuses()], []);
  assert.deepEqual([...testModel([gateway('istio')], { servesGateways: true }).statuses()], []);
});
