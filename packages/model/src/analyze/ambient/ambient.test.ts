import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '@ambit/resources';
import { runAnalyze } from '../run.ts';
import { ambientAnalyzers } from './registry.ts';

const namespace = (labels: Record<string, string> = {}): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'apps', labels: { 'istio.io/dataplane-mode': 'ambient', ...labels } },
});
const pod = (name: string, extra: { annotations?: Record<string, string>; labels?: object; spec?: object } = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name,
    namespace: 'apps',
    labels: { app: 'web', ...extra.labels },
    annotations: extra.annotations ?? { 'ambient.istio.io/redirection': 'enabled' },
  },
  spec: { nodeName: 'node-a', ...extra.spec },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
});
const object = (apiVersion: string, kind: string, spec: object, metadata: object = {}): KubernetesObject => ({
  apiVersion,
  kind,
  metadata: { name: 'x', namespace: 'apps', ...metadata },
  spec,
});
const told = (...objects: readonly object[]): string[] =>
  runAnalyze(
    { files: [], clusters: [{ name: 'default', objects: objects as KubernetesObject[] }], nowMs: 0 },
    { allNamespaces: true, moreAnalyzers: ambientAnalyzers, analyzers: ambientAnalyzers.map(({ name }) => name) },
  ).messages.map(({ code, text }) => `${code} ${text}`);
const one = (lines: readonly string[], code: string, words: string): void => {
  assert.deepEqual(
    lines.map((line) => line.slice(0, 7)),
    [code],
  );
  assert.ok(lines[0]?.includes(words), lines.join());
};

test('a pod outside of the mesh is told with the reason', () => {
  const words: readonly (readonly [object, string])[] = [
    [pod('a', { annotations: {} }), 'the node agent on node node-a has not enrolled it'],
    [pod('a', { annotations: { 'ambient.istio.io/redirection': 'pending' } }), 'no node proxy on node node-a'],
    [pod('a', { annotations: {}, spec: { hostNetwork: true } }), "the host's network"],
    [pod('a', { annotations: { 'sidecar.istio.io/status': '{}' } }), 'it has a sidecar'],
  ];
  for (const [given, reason] of words) one(told(namespace(), given), 'AMB0101', reason);
  assert.deepEqual(told(namespace(), pod('a')), []);
  assert.deepEqual(told(namespace(), pod('a', { annotations: {}, labels: { 'istio.io/dataplane-mode': 'none' } })), []);
});

test('a waypoint that is not there is told at whoever names it', () => {
  const gateway = object('gateway.networking.k8s.io/v1', 'Gateway', {}, { name: 'wp' });
  const named = namespace({ 'istio.io/use-waypoint': 'wp' });
  one(told(named), 'AMB0102', 'The waypoint apps/wp does not exist');
  one(told(named, gateway), 'AMB0102', 'has no address yet');
  assert.deepEqual(told(named, { ...gateway, status: { addresses: [{ value: '10.0.0.1' }] } }), []);
});

test('HTTP attributes at workloads need a waypoint', () => {
  const rules = [{ to: [{ operation: { methods: ['GET'] } }] }];
  const policy = (spec: object): KubernetesObject => object('security.istio.io/v1', 'AuthorizationPolicy', spec);
  one(told(namespace(), pod('a'), policy({ rules })), 'AMB0103', 'needs a waypoint for methods');
  one(told(namespace(), pod('a'), policy({ action: 'DENY', rules })), 'AMB0103', 'deny nothing');
  const targetRefs = [{ kind: 'Service', name: 'web' }];
  assert.deepEqual(told(namespace(), pod('a'), policy({ rules, targetRefs })), []);
  assert.deepEqual(told(namespace(), pod('a'), policy({ rules: [{ to: [{ operation: { ports: ['80'] } }] }] })), []);
  one(
    told(namespace(), pod('a'), object('security.istio.io/v1', 'RequestAuthentication', {})),
    'AMB0103',
    'reads no tokens',
  );
});

test('a NetworkPolicy must let tunnels in', () => {
  const policy = (ingress: readonly object[]): KubernetesObject =>
    object('networking.k8s.io/v1', 'NetworkPolicy', { podSelector: {}, ingress });
  one(told(namespace(), pod('a'), policy([{ ports: [{ port: 80 }] }])), 'AMB0104', 'TCP 15008');
  for (const ports of [[], [{ port: 15_008 }], [{ port: 15_000, endPort: 16_000 }], [{}]]) {
    assert.deepEqual(told(namespace(), pod('a'), policy([{ ports }])), []);
  }
});

test('a node with pods of the mesh needs a ready node proxy', () => {
  const node = object('v1', 'Node', {}, { name: 'node-a' });
  const proxy = pod('ztunnel-1', { labels: { app: 'ztunnel', 'istio.io/dataplane-mode': 'none' } });
  one(told(namespace(), node, pod('a')), 'AMB0105', 'The node node-a runs 1 pod(s)');
  assert.deepEqual(told(namespace(), node, pod('a'), proxy), []);
  one(told(namespace(), node, pod('a'), { ...proxy, status: {} }), 'AMB0105', 'no ready node proxy');
});

test('a route of a Service without waypoint, and a ServiceEntry without address, change nothing', () => {
  const route = object('gateway.networking.k8s.io/v1', 'HTTPRoute', { parentRefs: [{ kind: 'Service', name: 'web' }] });
  const service = object('v1', 'Service', {}, { name: 'web' });
  one(told(namespace(), service, route), 'AMB0106', 'apps/web, which has no waypoint');
  const entry = object('networking.istio.io/v1', 'ServiceEntry', { hosts: ['a.com'], resolution: 'DNS' });
  one(told(namespace(), entry), 'AMB0107', 'has no address');
  assert.deepEqual(told(namespace(), { ...entry, status: { addresses: [{ value: '240.240.0.1' }] } }), []);
});
