import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaceStatuses } from './status.ts';

const labelled = (name: string, more: Record<string, string> = {}): { metadata: object } => ({
  metadata: { name, labels: { 'istio.io/dataplane-mode': 'ambient', ...more } },
});
const captured = (name: string): { metadata: object } => ({
  metadata: { name, namespace: 'shop', annotations: { 'ambient.istio.io/redirection': 'enabled' } },
});

test('a namespace whose waypoint does not exist is told, because its traffic goes around it', () => {
  const [row] = namespaceStatuses({
    namespaces: [labelled('shop', { 'istio.io/use-waypoint': 'waypont' })],
    pods: [captured('web')],
    policies: [
      { metadata: { name: 'l4', namespace: 'shop' }, spec: {} },
      { metadata: { name: 'l7', namespace: 'shop' }, spec: { targetRefs: [{ kind: 'Service', name: 'web' }] } },
    ],
    gateways: [],
    networkPolicies: [{ metadata: { name: 'np', namespace: 'shop' }, spec: { podSelector: {}, ingress: [] } }],
  });
  assert.equal(row?.l4Policies, 1);
  assert.equal(row?.l7Policies, 1);
  assert.deepEqual(row?.issues, [
    'waypoint shop/waypont does not exist: traffic goes around it',
    'NetworkPolicy np does not admit 15008',
  ]);
});

test('pods of one namespace do not count in another', () => {
  const rows = namespaceStatuses({
    namespaces: [labelled('shop'), labelled('other')],
    pods: [captured('web')],
    policies: [],
    gateways: [],
    networkPolicies: [],
  });
  assert.deepEqual(
    rows.map(({ namespace, pods }) => [namespace, pods.length]),
    [
      ['shop', 1],
      ['other', 0],
    ],
  );
});

test('a pod that is ending has no row, and a pod that left the mesh no unprotected connections', () => {
  const old = { 'ambient.ambit.io/unprotected-connections': '2' };
  const [row] = namespaceStatuses({
    namespaces: [{ metadata: { name: 'shop' } }],
    pods: [
      { metadata: { name: 'gone', namespace: 'shop', deletionTimestamp: '2026-01-01T00:00:00Z' } },
      { metadata: { name: 'left', namespace: 'shop', annotations: old } },
      {
        metadata: {
          name: 'inside',
          namespace: 'shop',
          annotations: { ...old, 'ambient.istio.io/redirection': 'enabled' },
        },
      },
    ],
    policies: [],
    gateways: [],
    networkPolicies: [],
  });
  assert.deepEqual(
    row?.pods.map(({ pod, unprotectedConnections }) => [pod, unprotectedConnections]),
    [
      ['left', 0],
      ['inside', 2],
    ],
  );
});
