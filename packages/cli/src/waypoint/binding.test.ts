import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingOf } from './binding.ts';

const gateway = (name: string, more: object = {}): { metadata: object; spec: object; status: object } => ({
  metadata: { name, namespace: 'shop', ...more },
  spec: { gatewayClassName: 'istio-waypoint' },
  status: { conditions: [{ type: 'Programmed', status: 'True' }] },
});
const namespace = { metadata: { name: 'shop', labels: { 'istio.io/use-waypoint': 'waypoint' } } };
const service = (given: Record<string, string> = {}): { kind: string; metadata: object } => ({
  kind: 'Service',
  metadata: { name: 'web', namespace: 'shop', labels: given },
});

test('the narrower label decides, and says so', () => {
  const bound = bindingOf(service({ 'istio.io/use-waypoint': 'own' }), namespace, [
    gateway('own'),
    gateway('waypoint'),
  ]);
  assert.deepEqual(bound, {
    kind: 'bound',
    waypoint: 'shop/own',
    decidedBy: 'istio.io/use-waypoint=own on Service shop/web',
  });
  assert.equal(bindingOf(service({ 'istio.io/use-waypoint': 'none' }), namespace, [gateway('waypoint')]).kind, 'none');
});

test('a waypoint that is missing, not ready or serves other traffic is told apart', () => {
  const reasonOf = (gateways: readonly object[]): string => {
    const binding = bindingOf(service(), namespace, gateways as never);
    return binding.kind === 'broken' ? binding.reason : binding.kind;
  };
  assert.equal(reasonOf([]), 'it does not exist');
  assert.equal(reasonOf([{ ...gateway('waypoint'), status: {} }]), 'it is not ready: no status yet');
  assert.equal(
    reasonOf([gateway('waypoint', { labels: { 'istio.io/waypoint-for': 'workload' } })]),
    'it serves traffic to workload, not to services',
  );
  assert.equal(reasonOf([gateway('waypoint', { labels: { 'istio.io/waypoint-for': 'all' } })]), 'bound');
});
