import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sourcesOf, textOf, workspacePackages } from './workspace.ts';

/** Prefixes that metric names may have: upstream's, and our own for what upstream does not have. */
const prefixes = [
  'istio_',
  'ambit_',
  'pilot_',
  'istiod_',
  'remote_cluster_',
  'sidecar_injection_',
  'citadel_',
  'ztunnel_',
  'nodeagent_',
  'galley_',
  'grpc_server_',
  'process_',
  'workload_manager_',
  'connection_terminations',
  'on_demand_',
  'webhook_',
  'envoy_',
];
const marker = /\b(?:counter|gauge|histogram)\(\s*\{\s*name:\s*'([^']+)'/g;

/** Metric names that a source declares. */
const declared = (source: string): readonly string[] => [...source.matchAll(marker)].map((match) => match[1] ?? '');

const isWellNamed = (name: string): boolean =>
  prefixes.some((prefix) => name.startsWith(prefix)) && /^[a-z0-9_]+$/.test(name);

test('every metric has an upstream name or our prefix', () => {
  const findings = workspacePackages()
    .filter(({ name }) => !['runtime', 'checks'].includes(name))
    .flatMap(({ folder }) =>
      sourcesOf(folder, { tests: false }).flatMap((file) =>
        declared(textOf(file))
          .filter((name) => !isWellNamed(name))
          .map((name) => `${file}: ${name}`),
      ),
    );
  assert.deepEqual(findings, []);
});

test('a planted name is found', () => {
  assert.deepEqual(declared("registry.counter({ name: 'requests', help: '' })"), ['requests']);
  assert.equal(isWellNamed('requests'), false);
  assert.equal(isWellNamed('istio_requests_total'), true);
});
