import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { FRONTEND_TYPE_URL, LISTENER_TYPE_URL, POLICY_TYPE_URL, PROXY_CONFIG_TYPE_URL } from '@ambit/proto/type-urls';
import { FrontendSchema, ListenerSchema, PolicySchema, ProxyConfigSchema } from '@ambit/proto/waypoint';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testService } from '@ambit/resources/testing';
import type { Model } from '../../model.ts';
import { telemetryOptions } from '../../telemetry-options.ts';
import { testModel } from '../../testing/index.ts';

const gateway: KubernetesObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'wp', namespace: 'edge' },
  spec: {
    gatewayClassName: 'istio-waypoint',
    listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE', allowedRoutes: { namespaces: { from: 'All' } } }],
  },
  status: { addresses: [{ type: 'IPAddress', value: '10.1.0.1' }] },
};
const service = {
  ...testService('apps', 'web', '10.96.0.10', { app: 'web' }),
};
service.metadata = {
  ...service.metadata,
  labels: { 'istio.io/use-waypoint': 'wp', 'istio.io/use-waypoint-namespace': 'edge' },
};

function telemetry(
  namespace: string,
  name: string,
  spec: object,
  createdAt = '2026-01-01T00:00:00Z',
): KubernetesObject {
  return {
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { namespace, name, creationTimestamp: createdAt },
    spec,
  };
}

function policyOf(model: Model, key: string) {
  const bytes = model.config.get(POLICY_TYPE_URL, `Telemetry/${key}`)?.bytes;
  const body = bytes && fromBinary(PolicySchema, bytes).body;
  return body?.case === 'telemetry' ? body.value : undefined;
}

function providersOf(model: Model) {
  const bytes = model.config.get(PROXY_CONFIG_TYPE_URL, 'self')?.bytes ?? new Uint8Array();
  return fromBinary(ProxyConfigSchema, bytes).providers;
}

test('logs, tracing and metrics of a Telemetry reach the waypoint; what is for clients only does not', () => {
  const spec = {
    accessLogging: [
      { match: { mode: 'CLIENT' }, providers: [{ name: 'elsewhere' }] },
      { providers: [{ name: 'a' }, { name: 'b' }], filter: { expression: 'response.code >= 400' } },
      { disabled: true },
    ],
    tracing: [
      { match: { mode: 'CLIENT' }, randomSamplingPercentage: 1 },
      {
        providers: [{ name: 'otel' }, { name: 'second' }],
        randomSamplingPercentage: 0,
        disableContextPropagation: true,
        customTags: { a: { literal: { value: 'x' } }, b: { header: { name: 'h', defaultValue: 'd' } }, c: {} },
      },
    ],
    metrics: [
      {
        reportingInterval: '10s',
        overrides: [
          {
            match: { metric: 'REQUEST_COUNT', mode: 'SERVER' },
            tagOverrides: { x: { value: 'request.host' }, y: { operation: 'REMOVE' } },
          },
          { disabled: true },
        ],
      },
    ],
  };
  const model = testModel([gateway, telemetry('edge', 't', spec)]);
  const policy = policyOf(model, 'edge/t');
  assert.deepEqual(
    policy?.logs.map(({ provider, filterCel, disabled }) => [provider, filterCel, disabled]),
    [
      ['a', 'response.code >= 400', false],
      ['b', 'response.code >= 400', false],
      ['envoy', '', true],
    ],
  );
  const tracing = policy?.tracing;
  assert.deepEqual(
    [
      tracing?.provider,
      tracing?.samplingSet,
      tracing?.samplingPercent,
      tracing?.disablePropagation,
      tracing?.istioTags,
    ],
    ['otel', true, 0, true, true],
  );
  assert.deepEqual(Object.keys(tracing?.tags ?? {}), ['a', 'b']);
  assert.equal(tracing?.tags['b']?.defaultValue, 'd');
  assert.deepEqual(
    policy?.metrics.map(({ metric, mode, disabled }) => [metric, mode, disabled]),
    [
      ['REQUEST_COUNT', 2, false],
      ['ALL_METRICS', 0, true],
    ],
  );
  assert.deepEqual(
    [policy?.metrics[0]?.tags['x']?.valueCel, policy?.metrics[0]?.tags['y']?.remove],
    ['request.host', true],
  );
  assert.equal(policy?.reportInterval?.seconds, 10n);
});

test('the mesh comes first, then the namespaces, then what names an object; selectors are not for waypoints', () => {
  const objects = [
    ...['istio-system', 'edge', 'apps'].map((name) => testNamespace(name)),
    gateway,
    service,
    telemetry('istio-system', 'mesh', {}),
    telemetry('istio-system', 'pods', { selector: { matchLabels: { a: 'b' } } }),
    telemetry('edge', 'younger', {}, '2026-02-01T00:00:00Z'),
    telemetry('edge', 'older', {}),
    telemetry('edge', 'named', { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'wp' }] }),
    telemetry('apps', 'all', {}),
    telemetry('apps', 'web', { targetRef: { group: '', kind: 'Service', name: 'web' } }),
  ];
  const model = testModel(objects);
  const listener = model.config.get(LISTENER_TYPE_URL, 'edge/wp/mesh/15008')?.bytes ?? new Uint8Array();
  const frontend = model.config.get(FRONTEND_TYPE_URL, 'apps/web.apps.svc.cluster.local')?.bytes ?? new Uint8Array();
  const names = (refs: readonly { policy: string; failClosedIfMissing: boolean }[]): string[] =>
    refs.filter((ref) => !ref.failClosedIfMissing).map((ref) => ref.policy.slice('Telemetry/'.length));
  assert.deepEqual(names(fromBinary(ListenerSchema, listener).policies), [
    'istio-system/mesh',
    'edge/older',
    'edge/named',
  ]);
  assert.deepEqual(names(fromBinary(FrontendSchema, frontend).policies), ['apps/all', 'apps/web']);
  assert.equal(policyOf(model, 'istio-system/pods'), undefined);
  assert.ok(model.config.isVisible('edge/wp', POLICY_TYPE_URL, 'Telemetry/apps/web'));
  model.apply([{ type: 'delete', kind: 'Telemetry', namespace: 'edge', name: 'older' }]);
  const after = model.config.get(LISTENER_TYPE_URL, 'edge/wp/mesh/15008')?.bytes ?? new Uint8Array();
  assert.deepEqual(names(fromBinary(ListenerSchema, after).policies)[1], 'edge/younger');
});

test('providers for spans and files are told with their backend, and only defaults hold without being named', () => {
  const telemetryOf = telemetryOptions(
    {
      defaultProviders: { tracing: ['otel'] },
      extensionProviders: [
        { name: 'otel', opentelemetry: { service: 'otel.apps.svc.cluster.local', port: 80, maxTagLength: 64 } },
        { name: 'zip', zipkin: { service: 'apps/otel.apps.svc.cluster.local', port: 80 } },
        { name: 'gone', opentelemetry: { service: 'gone.apps.svc.cluster.local', port: 80 } },
        { name: 'als', envoyOtelAls: { service: 'otel.apps.svc.cluster.local', port: 80, logFormat: { text: 'x' } } },
        { name: 'als-gone', envoyOtelAls: { service: 'gone.apps.svc.cluster.local', port: 80 } },
        { name: 'file', envoyFileAccessLog: { logFormat: { labels: { a: '%PROTOCOL%' } } } },
      ],
    },
    '2.5',
  );
  const otel = testService('apps', 'otel', '10.96.0.11', { app: 'otel' });
  const model = testModel([gateway, otel], { telemetry: telemetryOf });
  const told = providersOf(model).map(({ name, body }) => [
    name,
    body.case,
    body.case === 'tracing' || body.case === 'accessLog' ? body.value.notDefault : undefined,
  ]);
  assert.deepEqual(told, [
    ['file', 'accessLog', true],
    ['envoy', 'accessLog', true],
    ['als', 'accessLog', true],
    ['otel', 'tracing', false],
    ['zip', 'tracing', true],
  ]);
  const collectors = providersOf(model).flatMap(({ body }) =>
    body.case === 'accessLog' && body.value.otlpBackend !== '' ? [body.value] : [],
  );
  assert.deepEqual(
    collectors.map(({ otlpBackend, otlpLogName, textFormat, path }) => [otlpBackend, otlpLogName, textFormat, path]),
    [['apps/otel.apps.svc.cluster.local/80', 'otel_envoy_accesslog', 'x', '']],
  );
  const tracing = providersOf(model).flatMap(({ body }) => (body.case === 'tracing' ? [body.value] : []));
  assert.deepEqual(
    tracing.map((t) => [t.backend, t.http, t.zipkin, t.path, t.samplingPercent, t.maxTagLength]),
    [
      ['apps/otel.apps.svc.cluster.local/80', false, false, '', 2.5, 64],
      ['apps/otel.apps.svc.cluster.local/80', true, true, '/api/v2/spans', 2.5, 0],
    ],
  );
});

test('no mesh configuration makes the reader of providers throw', () => {
  const provider = fc.record(
    {
      name: fc.anything(),
      opentelemetry: fc.anything(),
      zipkin: fc.anything(),
      envoyFileAccessLog: fc.anything(),
      envoyOtelAls: fc.anything(),
    },
    { requiredKeys: [] },
  );
  const mesh = fc.record({
    extensionProviders: fc.oneof(fc.array(fc.oneof(provider, fc.anything())), fc.anything()),
    defaultProviders: fc.anything(),
    defaultConfig: fc.anything(),
  });
  fc.assert(
    fc.property(mesh, fc.option(fc.string(), { nil: undefined }), (given, sampling) => {
      const { samplingPercent } = telemetryOptions(given, sampling);
      assert.ok(samplingPercent >= 0 && samplingPercent <= 100);
    }),
    { numRuns: 300 },
  );
});
