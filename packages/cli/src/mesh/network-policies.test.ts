import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockingPolicies } from './network-policies.ts';

const policy = (
  name: string,
  ingress: readonly unknown[],
  podSelector: object = {},
): { metadata: { name: string }; spec: unknown } => ({
  metadata: { name },
  spec: { podSelector, ingress },
});
const pods = [
  { metadata: { name: 'web-1', labels: { app: 'web' } } },
  { metadata: { name: 'db-1', labels: { app: 'db' } } },
];

test('a policy that admits only the application port keeps tunnels out', () => {
  const policies = [
    policy('app-only', [{ ports: [{ port: 9080 }] }]),
    policy('all', [{}]),
    policy('range', [{ ports: [{ port: 15000, endPort: 15100 }] }]),
    policy('udp', [{ ports: [{ port: 15008, protocol: 'UDP' }] }]),
    policy('none', []),
    { metadata: { name: 'egress' }, spec: { policyTypes: ['Egress'] } },
  ];
  assert.deepEqual(
    blockingPolicies(policies, pods).map(({ name }) => name),
    ['app-only', 'udp', 'none'],
  );
});

test('only policies that select a pod count, and the patch adds the rule that is missing', () => {
  const policies = [
    policy('db', [{ ports: [{ port: 5432 }] }], { matchLabels: { app: 'db' } }),
    policy('other', [], { matchLabels: { app: 'x' } }),
  ];
  const [found, ...rest] = blockingPolicies(policies, pods);
  assert.equal(rest.length, 0);
  assert.deepEqual(found?.pods, ['db-1']);
  assert.deepEqual(JSON.parse(found?.patch ?? ''), [
    { op: 'add', path: '/spec/ingress/-', value: { ports: [{ port: 15008, protocol: 'TCP' }] } },
  ]);
});
