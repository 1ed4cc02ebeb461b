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

const listenerSet = (parentRef: object): KubernetesObject => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'ListenerSet',
  metadata: { name: 'more', namespace: 'apps' },
  spec: { parentRef, listeners: [{ name: 'extra', port: 8080, protocol: 'HTTP' }] },
});
/** Reason and text of what a ListenerSet is told; undefined when it is told nothing. */
const toldOf = (objects: readonly KubernetesObject[], options = {}): string | undefined => {
  const told = [...testModel(objects, options).statuses()].find(({ kind }) => kind === 'ListenerSet');
  if (told?.kind !== 'ListenerSet') return undefined;
  assert.deepEqual(
    told.conditions.map(({ type, status, reason }) => [type, status, reason]),
    [
      ['Accepted', 'False', 'NotAllowed'],
      ['Programmed', 'False', 'NotAllowed'],
    ],
  );
  return told.conditions[0]?.message;
};

test('a ListenerSet is told why it adds nothing: its class takes none, nobody serves it, or its Gateway does not allow it', () => {
  const set = listenerSet({ name: 'g' });
  assert.equal(
    toldOf([set, gateway('istio-waypoint')]),
    'The "istio-waypoint" GatewayClass does not support ListenerSet',
  );
  assert.match(toldOf([set, gateway('istio')]) ?? '', /^ingress Gateways are not served/);
  const served = { servesGateways: true };
  assert.match(toldOf([set, gateway('istio')], served) ?? '', /does not allow this reference/);
  const mine = [gateway('mine'), gatewayClass('mine', 'istio.io/mesh-controller')];
  assert.equal(toldOf([set, ...mine]), 'The "mine" GatewayClass does not support ListenerSet');
});

test('a ListenerSet of a Gateway that allows it, that is not there, or that is not ours is told nothing', () => {
  const open = gateway('istio');
  const allowing = (namespaces: object): KubernetesObject => ({
    ...open,
    spec: { ...(open['spec'] as object), allowedListeners: { namespaces } },
  });
  const set = listenerSet({ name: 'g' });
  const served = { servesGateways: true };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'apps', labels: { team: 'a' } } };
  for (const namespaces of [
    { from: 'All' },
    { from: 'Same' },
    { from: 'Selector', selector: { matchLabels: { team: 'a', 'kubernetes.io/metadata.name': 'apps' } } },
  ])
    assert.equal(toldOf([set, allowing(namespaces), namespace], served), undefined, JSON.stringify(namespaces));
  for (const namespaces of [
    { from: 'None' },
    { from: 'Other' },
    { from: 'Selector' },
    { from: 'Selector', selector: { matchLabels: { team: 'b' } } },
  ])
    assert.ok(toldOf([set, allowing(namespaces), namespace], served), JSON.stringify(namespaces));
  assert.equal(toldOf([set]), undefined);
  assert.equal(toldOf([listenerSet({ name: 'g', kind: 'Service', group: '' }), gateway('istio-waypoint')]), undefined);
  assert.equal(toldOf([set, gateway('other')]), undefined);
});

test('what a ListenerSet is told follows its Gateway', () => {
  const model = testModel([listenerSet({ name: 'g' }), gateway('istio-waypoint')]);
  const changed = model.apply([{ type: 'upsert', object: gateway('istio') }]);
  const [status] = [...changed.statuses].filter(({ kind }) => kind === 'ListenerSet');
  assert.ok(status?.kind === 'ListenerSet');
  assert.match(status.conditions[0]?.message ?? '', /not served/);
});
