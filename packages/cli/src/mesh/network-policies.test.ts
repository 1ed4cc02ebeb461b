import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policiesAgainstTunnels } from './network-policies.ts';

const policy = (name: string, ingress: readonly unknown[]): { metadata: { name: string }; spec: unknown } => ({
  metadata: { name },
  spec: { ingress },
});

test('a policy that admits only the application port keeps tunnels out', () => {
  const policies = [
    policy('app-only', [{ ports: [{ port: 9080 }] }]),
    policy('all', [{}]),
    policy('range', [{ ports: [{ port: 15000, endPort: 15100 }] }]),
    policy('udp', [{ ports: [{ port: 15008, protocol: 'UDP' }] }]),
    policy('none', []),
    { metadata: { name: 'egress' }, spec: { policyTypes: ['Egress'] } },
  ];
  assert.deepEqual(policiesAgainstTunnels(policies), ['app-only', 'udp', 'none']);
});
