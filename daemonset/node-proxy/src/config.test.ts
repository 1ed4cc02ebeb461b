import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drainDeadlineMs, readConfig } from './config.ts';

const files = (entries: Record<string, string>) => (path: string) => entries[path];
const none = files({});

test('the defaults are those of the shared mode', () => {
  const config = readConfig({}, none);
  assert.equal(config.mode, 'shared');
  assert.equal(config.packetMark, 1337);
  assert.equal(config.drainDeadlineMs, 5000);
  assert.deepEqual(config.dns, { address: 'localhost', port: 15053 });
  assert.equal(config.xds?.host, 'localhost');
  assert.equal(config.xds?.port, 15012);
});

test('an empty XDS_ADDRESS means no control plane, an address without a scheme is https', () => {
  assert.equal(readConfig({ XDS_ADDRESS: '' }, none).xds, undefined);
  assert.equal(readConfig({ XDS_ADDRESS: 'cp.example:15012' }, none).xds?.plaintext, false);
  assert.equal(readConfig({ XDS_ADDRESS: 'http://cp.example:15010' }, none).xds?.plaintext, true);
});

test('PROXY_CONFIG overrides the mesh file field by field, and the environment overrides both', () => {
  const mesh =
    'defaultConfig:\n  discoveryAddress: a.example:1\n  statsPort: 1234\n  proxyMetadata: { ISTIO_META_X: file, Y: file }\n';
  const config = readConfig(
    {
      PROXY_CONFIG: '{"discoveryAddress":"b.example:2","proxyMetadata":{"Y":"own"}}',
      ISTIO_META_X: 'env',
      OTHER: 'no',
    },
    files({ './etc/istio/config/mesh': mesh }),
  );
  assert.equal(config.xds?.host, 'b.example');
  assert.equal(config.statsPort, 1234);
  assert.equal(config.nodeMetadata['X'], 'env');
  assert.equal(config.nodeMetadata['Y'], 'own');
  assert.equal(config.nodeMetadata['OTHER'], undefined);
});

test('the mesh file alone gives addresses, ports, threads and metadata', () => {
  const mesh =
    'defaultConfig:\n  discoveryAddress: a.example:1\n  proxyAdminPort: 1111\n  statsPort: 2222\n  concurrency: 3\n  proxyMetadata: { ISTIO_META_X: file }\n';
  const config = readConfig({}, files({ './etc/istio/config/mesh': mesh }));
  assert.deepEqual([config.xds?.host, config.xds?.port], ['a.example', 1]);
  assert.deepEqual([config.adminPort, config.statsPort, config.threads], [1111, 2222, 3]);
  assert.equal(config.nodeMetadata['X'], 'file');
  assert.throws(() => readConfig({}, files({ './etc/istio/config/mesh': '- list' })), /mesh is not a map/);
});

test('headers are collected by prefix and lower-cased', () => {
  const config = readConfig({ XDS_HEADER_Foo: 'x', CA_HEADER_BAR: 'y' }, none);
  assert.deepEqual(config.xds?.headers, { foo: 'x' });
  assert.deepEqual(config.ca?.headers, { bar: 'y' });
});

test('dedicated mode needs a workload', () => {
  assert.throws(() => readConfig({ PROXY_MODE: 'dedicated' }, none), /PROXY_WORKLOAD_INFO/);
  const config = readConfig({ PROXY_MODE: 'dedicated', PROXY_WORKLOAD_INFO: 'ns/pod/sa' }, none);
  assert.deepEqual(config.dedicatedWorkload, { namespace: 'ns', name: 'pod', serviceAccount: 'sa' });
  assert.equal(config.packetMark, undefined);
});

test('all problems are named at once', () => {
  const bad = { ISTIO_META_DNS_PROXY_ADDR: 'nonsense', ZTUNNEL_WORKER_THREADS: 'x', ENABLE_ORIG_SRC: 'maybe' };
  assert.throws(
    () => readConfig(bad, none),
    (error: Error) => ['DNS_PROXY_ADDR', 'WORKER_THREADS', 'ORIG_SRC'].every((word) => error.message.includes(word)),
  );
});

test('the drain deadline follows the grace period', () => {
  assert.equal(drainDeadlineMs(700, 30), 700);
  assert.equal(drainDeadlineMs(undefined, 30), 25_000);
  assert.equal(drainDeadlineMs(undefined, 10), 9000);
  assert.equal(drainDeadlineMs(undefined, 0), 1000);
  assert.equal(drainDeadlineMs(undefined, undefined), 5000);
});

test('node metadata given as JSON keeps its structure; what is no JSON is left out and told', () => {
  const config = readConfig({ ISTIO_METAJSON_LABELS: '{"a":["b"]}', ISTIO_METAJSON_BAD: '{' }, none);
  assert.deepEqual(config.nodeMetadata['LABELS'], { a: ['b'] });
  assert.equal('BAD' in config.nodeMetadata, false);
  assert.deepEqual(config.notes, ['ISTIO_METAJSON_BAD is not JSON and is left out of the metadata']);
});
