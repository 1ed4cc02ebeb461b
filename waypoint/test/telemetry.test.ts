// Telemetry objects through a real data plane: which lines are written, and what the metrics say.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AccessLogProvider_Format, MetricOverride_Mode } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const frontendKey = `apps/${HOSTNAME}`;

describe('Telemetry', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh({ accessLog: 'mesh' });
    mesh.addWorkload(2, {
      handler: (request, response) => {
        response.statusCode = request.url === '/bad' ? 500 : 200;
        response.end('ok');
      },
    });
  });
  afterEach(() => mesh.close());

  const log = (textFormat: string, more: object = {}) => ({
    case: 'accessLog' as const,
    value: { path: '/dev/stdout', format: AccessLogProvider_Format.TEXT, textFormat, ...more },
  });
  /** Policies of the frontend in their order; providers `envoy` (default) and `short`. */
  const configure = (...telemetries: object[]): void =>
    mesh.configure({
      proxy: {
        trustDomain: 'cluster.local',
        providers: [
          { name: 'envoy', body: log('standard %RESPONSE_CODE%') },
          { name: 'short', body: log('short %REQ(:METHOD)%', { notDefault: true }) },
          { name: 'file', body: log('file', { path: '/var/log/x', notDefault: true }) },
        ],
      },
      policies: Object.fromEntries(
        telemetries.map((value, index) => [`t${index}`, { body: { case: 'telemetry' as const, value } }]),
      ),
      frontends: {
        [frontendKey]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: `${frontendKey}/80` }],
          policies: telemetries.map((_one, index) => ({ policy: `t${index}` })),
        },
      },
    });
  const linesOf = async (...paths: string[]): Promise<readonly string[]> => {
    mesh.accessLines.length = 0;
    for (const path of paths) await mesh.get(path, { headers: { 'x-env': 'test' } });
    return [...mesh.accessLines];
  };

  test('without any, the mesh decides', async () => {
    configure();
    assert.deepEqual(await linesOf('/', '/bad'), ['standard 200', 'standard 500']);
  });

  test('a filter chooses requests', async () => {
    configure({ logs: [{ provider: 'ENVOY', filterCel: 'response.code >= 400' }] });
    assert.deepEqual(await linesOf('/', '/bad'), ['standard 500']);
    configure({
      logs: [{ provider: 'envoy', filterCel: 'request.headers["x-env"] == "test" && request.path.matches("b.d")' }],
    });
    assert.deepEqual(await linesOf('/', '/bad'), ['standard 500']);
  });

  test('a filter that fails for a request does not log it; one that cannot be read hides nothing', async () => {
    configure({ logs: [{ provider: 'envoy', filterCel: 'response.grpc_status == 0' }] });
    assert.deepEqual(await linesOf('/'), []);
    configure({ logs: [{ provider: 'envoy', filterCel: 'response.code >=' }] });
    assert.deepEqual(await linesOf('/'), ['standard 200']);
  });

  test('providers are named, several write a line each, and the more specific object replaces the list', async () => {
    configure({ logs: [{ provider: 'short' }, { provider: 'envoy' }, { provider: 'file' }, { provider: 'unknown' }] });
    assert.deepEqual(await linesOf('/'), ['short GET', 'standard 200']);
    configure({ logs: [{ provider: 'envoy' }] }, { logs: [{ provider: 'envoy', disabled: true }] });
    assert.deepEqual(await linesOf('/'), []);
  });

  test('an open tunnel follows a change', async () => {
    configure({ logs: [{ provider: 'envoy', disabled: true }] });
    assert.deepEqual(await linesOf('/'), []);
    configure();
    assert.deepEqual(await linesOf('/'), ['standard 200']);
  });

  test('metrics are switched off, labels emptied and computed', async () => {
    configure({
      metrics: [
        { metric: 'ALL_METRICS', tags: { source_cluster: { remove: true } } },
        { metric: 'REQUEST_SIZE', disabled: true },
        { metric: 'RESPONSE_SIZE', mode: MetricOverride_Mode.CLIENT, disabled: true },
        {
          metric: 'REQUEST_COUNT',
          tags: { source_version: { valueCel: 'request.method + "-" + string(response.code)' } },
        },
        {
          metric: 'REQUEST_DURATION',
          tags: { source_version: { valueCel: 'request.nothing' }, brand_new: { valueCel: '"x"' } },
        },
      ],
    });
    await linesOf('/');
    const text = await mesh.metrics();
    assert.match(text, /istio_requests_total\{[^}]*source_version="GET-200",source_cluster=""/);
    assert.match(text, /istio_request_duration_milliseconds_count\{[^}]*source_version="unknown"/);
    assert.match(text, /istio_response_bytes_count\{/);
    assert.doesNotMatch(text, /istio_request_bytes_count\{/);
    assert.doesNotMatch(text, /brand_new/);
  });
});
