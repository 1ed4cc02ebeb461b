import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policiesThatBreak } from './l4-policies.ts';

const principal = 'cluster.local/ns/shop/sa/waypoint';
const policy = (name: string, spec: object): { metadata: { name: string }; spec: object } => ({
  metadata: { name },
  spec,
});
const from = (source: object): object => ({ rules: [{ from: [{ source }] }] });

test('an L4 policy that admits only the former callers will refuse the waypoint', () => {
  const policies = [
    policy('gateway-only', from({ principals: ['cluster.local/ns/shop/sa/gateway'] })),
    policy('prefix', from({ principals: ['cluster.local/ns/shop/*'] })),
    policy('namespace', from({ namespaces: ['shop'] })),
    policy('not-me', from({ namespaces: ['shop'], notPrincipals: [principal] })),
    policy('anyone', { rules: [{}] }),
    policy('l7', { targetRefs: [{ kind: 'Service', name: 'web' }], ...from({ principals: ['x'] }) }),
    policy('deny', { action: 'DENY', ...from({ principals: ['x'] }) }),
  ];
  const found = policiesThatBreak(policies, principal);
  assert.deepEqual(
    found.map(({ name }) => name),
    ['gateway-only', 'not-me'],
  );
  assert.deepEqual(found[0]?.patch, [
    { op: 'add', path: '/spec/rules/-', value: { from: [{ source: { principals: [principal] } }] } },
  ]);
});
