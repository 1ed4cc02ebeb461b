import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planSlices } from './endpoint-plan.ts';
import type { Pod, Service } from './objects.ts';

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }], ...spec },
});
const pod = (
  name: string,
  ip: string,
  ready: boolean,
  over: { port?: number; deleted?: boolean; phase?: string } = {},
): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'default',
    uid: name,
    labels: { app: 'web' },
    ...(over.deleted === true ? { deletionTimestamp: 'now' } : {}),
  },
  spec: {
    nodeName: 'node-1',
    containers: [{ name: 'c', ports: [{ name: 'http', containerPort: over.port ?? 8080 }] }],
  },
  status: {
    phase: over.phase ?? 'Running',
    podIP: ip,
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});

test('ready, serving and terminating follow the pod', () => {
  const [slice] = planSlices(
    service(),
    [pod('a', '10.0.0.1', true), pod('b', '10.0.0.2', false), pod('c', '10.0.0.3', true, { deleted: true })],
    new Map([['node-1', 'z']]),
  );
  assert.deepEqual(slice?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  assert.deepEqual(
    slice?.endpoints.map((each) => each.conditions),
    [
      { ready: true, serving: true, terminating: false },
      { ready: false, serving: false, terminating: false },
      { ready: false, serving: true, terminating: true },
    ],
  );
  assert.equal(slice?.endpoints[0]?.zone, 'z');
});

test('pods with another number behind the same port name get a slice of their own', () => {
  const slices = planSlices(
    service(),
    [pod('a', '10.0.0.1', true), pod('b', '10.0.0.2', true, { port: 9090 })],
    new Map(),
  );
  assert.deepEqual(
    slices.map((slice) => slice.ports[0]?.port),
    [8080, 9090],
  );
});

test('finished pods and pods without an address are no endpoints', () => {
  assert.deepEqual(
    planSlices(service(), [pod('a', '', true), pod('b', '10.0.0.2', false, { phase: 'Failed' })], new Map()),
    [],
  );
});

test('a slice holds at most 100 endpoints', () => {
  const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, `10.0.${i >> 8}.${i & 255}`, true));
  assert.deepEqual(
    planSlices(service(), pods, new Map()).map((slice) => slice.endpoints.length),
    [100, 100, 50],
  );
});
