import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../controllers/objects.ts';
import { buildContainerEnv, expandVariables, parseQuantity } from './container-env.ts';

const container: Container = { name: 'c', resources: { limits: { cpu: '1500m', memory: '64Mi' } } };
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { app: 'x' } },
  spec: { containers: [container], nodeName: 'node-1', serviceAccountName: 'sa' },
};
const none = { configMap: () => undefined, secret: () => undefined };
const facts = { podIp: '10.244.1.2', hostIp: '172.30.0.1' };
const build = (
  entries: NonNullable<Container['env']>,
  sources: Parameters<typeof buildContainerEnv>[3] = none,
): Record<string, string> => buildContainerEnv(pod, { ...container, env: entries }, facts, sources, { BASE: 'b' });

test('values expand earlier ones, keep unknown ones and honour the double dollar', () => {
  assert.equal(expandVariables('a$(X)b$(Y)$$(X)$', { X: '1' }), 'a1b$(Y)$(X)$');
  assert.equal(
    build([
      { name: 'A', value: '$(BASE)1' },
      { name: 'B', value: '$(A)2' },
    ])['B'],
    'b12',
  );
});

test('fields and resources of the pod', () => {
  const field = (name: string, fieldPath: string): NonNullable<Container['env']>[number] => ({
    name,
    valueFrom: { fieldRef: { fieldPath } },
  });
  const env = build([
    field('NAME', 'metadata.name'),
    field('APP', "metadata.labels['app']"),
    field('IP', 'status.podIP'),
    field('HOST', 'status.hostIP'),
    field('SA', 'spec.serviceAccountName'),
    { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
    { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
  ]);
  assert.deepEqual(
    [env['NAME'], env['APP'], env['IP'], env['HOST'], env['SA'], env['CPU'], env['MEM']],
    ['p', 'x', '10.244.1.2', '172.30.0.1', 'sa', '2', '64'],
  );
});

test('a missing ConfigMap or Secret stops the container unless it is optional', () => {
  const ref = (optional: boolean): NonNullable<Container['env']> => [
    { name: 'A', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k', optional } } },
  ];
  assert.throws(() => build(ref(false)), /configmap "cm" not found/);
  assert.equal(build(ref(true))['A'], undefined);
  const secret = {
    ...none,
    secret: () => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 's' },
      data: { k: Buffer.from('v').toString('base64') },
    }),
  };
  assert.equal(build([{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }], secret)['A'], 'v');
});

test('quantities', () => {
  assert.deepEqual(['500m', '2', '1Ki', '3G', 'x', ''].map(parseQuantity), [0.5, 2, 1024, 3e9, 0, 0]);
});
