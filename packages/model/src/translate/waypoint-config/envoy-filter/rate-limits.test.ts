// EnvoyFilters with rate limits become policies of the waypoint.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL, BACKEND_TYPE_URL, FRONTEND_TYPE_URL, POLICY_TYPE_URL } from '@ambit/proto/type-urls';
import { FrontendSchema, type Policy, PolicySchema } from '@ambit/proto/waypoint';
import type { KubernetesObject } from '@ambit/resources';
import { testNamespace, testService } from '@ambit/resources/testing';
import type { Model } from '../../../index.ts';
import { testModel } from '../../../testing/index.ts';

const web = 'apps/web.apps.svc.cluster.local';
const gateway: KubernetesObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'wp', namespace: 'apps' },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
  status: { addresses: [{ type: 'Hostname', value: 'wp.apps.svc.cluster.local' }] },
};
const pool = [
  gateway,
  testNamespace('apps', { 'istio.io/use-waypoint': 'wp' }),
  testService('apps', 'web', '10.96.0.1', { app: 'web' }),
  testService('limits', 'limiter', '10.96.0.2', { app: 'limiter' }),
];
const ofService = [{ kind: 'Service', group: '', name: 'web' }];

const filter = (configPatches: readonly object[], targetRefs: readonly object[] = ofService): KubernetesObject => ({
  apiVersion: 'networking.istio.io/v1alpha3',
  kind: 'EnvoyFilter',
  metadata: { name: 'limit', namespace: 'apps' },
  spec: { targetRefs, configPatches },
});

const always = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
const bucket = { max_tokens: 4, tokens_per_fill: 2, fill_interval: '60s' };
const localType = 'type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';
const local = (config: object, match: object = { context: 'SIDECAR_INBOUND' }): object => ({
  applyTo: 'HTTP_FILTER',
  match,
  patch: {
    operation: 'INSERT_BEFORE',
    value: {
      name: 'envoy.filters.http.local_ratelimit',
      typed_config: {
        '@type': localType,
        stat_prefix: 'x',
        filter_enabled: always,
        filter_enforced: always,
        ...config,
      },
    },
  },
});
const limitsOfHost = (...actions: readonly object[]): object => ({
  applyTo: 'VIRTUAL_HOST',
  match: { context: 'SIDECAR_INBOUND' },
  patch: { operation: 'MERGE', value: { rate_limits: [{ actions }] } },
});
const byUser = { request_headers: { header_name: 'x-user', descriptor_key: 'user' } };

function policyOf(model: Model, i: number | string): Policy['body'] {
  const resource = model.config.get(POLICY_TYPE_URL, `EnvoyFilter/apps/limit/${i}`);
  assert.ok(resource, `policy ${i}`);
  return fromBinary(PolicySchema, resource.bytes).body;
}

const refsOf = (model: Model): readonly (readonly [string, readonly number[]])[] => {
  const resource = model.config.get(FRONTEND_TYPE_URL, web);
  const frontend = fromBinary(FrontendSchema, resource?.bytes ?? new Uint8Array());
  return frontend.policies.map(({ policy, ports }) => [policy, ports]);
};

test('a token bucket for a service becomes a local rate limit of its frontend', () => {
  const headers = [{ header: { key: 'X-Limited', value: 'yes' } }];
  const model = testModel([
    ...pool,
    filter([local({ token_bucket: bucket, status: { code: 503 }, response_headers_to_add: headers })]),
  ]);
  const body = policyOf(model, 0);
  assert.equal(body.case, 'localRateLimit');
  if (body.case !== 'localRateLimit') return;
  const { maxTokens, perFill, interval, status, responseHeaders, enabledPpm, enforcedPpm } = body.value;
  assert.deepEqual([maxTokens, perFill, interval?.seconds, status], [4, 2, 60n, 503]);
  assert.deepEqual([responseHeaders?.add, enabledPpm, enforcedPpm], [{ 'x-limited': 'yes' }, 1_000_000, 1_000_000]);
  assert.deepEqual(refsOf(model), [['EnvoyFilter/apps/limit/0', []]]);
  assert.ok(model.config.isVisible('apps/wp', POLICY_TYPE_URL, 'EnvoyFilter/apps/limit/0'));
});

test('a filter for a Gateway holds on its listener, and one for a class only in the root namespace', () => {
  const ofGateway = [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'wp' }];
  const model = testModel([...pool, filter([local({ token_bucket: bucket })], ofGateway)]);
  assert.ok(model.config.isVisible('apps/wp', POLICY_TYPE_URL, 'EnvoyFilter/apps/limit/0'));
  assert.deepEqual(refsOf(model), []);
  const ofClass = [{ group: 'gateway.networking.k8s.io', kind: 'GatewayClass', name: 'istio-waypoint' }];
  const elsewhere = testModel([...pool, filter([local({ token_bucket: bucket })], ofClass)]);
  assert.equal(elsewhere.config.isVisible('apps/wp', POLICY_TYPE_URL, 'EnvoyFilter/apps/limit/0'), false);
});

test('typed structs, camel case and a port are read', () => {
  const config = {
    '@type': 'type.googleapis.com/udpa.type.v1.TypedStruct',
    type_url: localType,
    value: {
      tokenBucket: { maxTokens: { value: 7 }, fillInterval: { seconds: 1 } },
      filterEnabled: { defaultValue: { numerator: 5000, denominator: 'TEN_THOUSAND' } },
      filterEnforced: { defaultValue: { numerator: 100 } },
    },
  };
  const match = { context: 'WAYPOINT', waypoint: { portNumber: 80 } };
  const patch = { operation: 'INSERT_BEFORE', value: { name: 'l', typed_config: config } };
  const model = testModel([...pool, filter([{ applyTo: 'HTTP_FILTER', match, patch }])]);
  const body = policyOf(model, 0);
  assert.equal(body.case === 'localRateLimit' && body.value.maxTokens, 7);
  assert.equal(body.case === 'localRateLimit' && body.value.enabledPpm, 500_000);
  assert.deepEqual(refsOf(model), [['EnvoyFilter/apps/limit/0', [80]]]);
});

test('without filter_enforced, without a bucket, and for a single route nothing is limited', () => {
  const route = { context: 'SIDECAR_INBOUND', waypoint: { route: { name: 'one' } } };
  const model = testModel([
    ...pool,
    filter([
      local({ token_bucket: bucket, filter_enforced: undefined }),
      local({}),
      local({ token_bucket: bucket }, route),
    ]),
  ]);
  assert.deepEqual(refsOf(model), []);
});

test('a bucket that cannot be filled denies', () => {
  const model = testModel([...pool, filter([local({ token_bucket: { ...bucket, fill_interval: 'soon' } })])]);
  assert.equal(policyOf(model, 0).case, 'invalid');
});

test('descriptors get the actions that make their keys', () => {
  const descriptors = [
    { entries: [{ key: 'user', value: 'a' }], token_bucket: bucket },
    { entries: [{ key: 'other' }], token_bucket: bucket },
  ];
  const model = testModel([...pool, filter([local({ token_bucket: bucket, descriptors }), limitsOfHost(byUser)])]);
  const body = policyOf(model, 0);
  const list = body.case === 'localRateLimit' ? body.value.descriptors : [];
  assert.deepEqual(
    list.map(({ keys, values, maxTokens }) => [keys.map(({ source }) => source.value), values, maxTokens]),
    [[['x-user'], { user: 'a' }, 4]],
  );
});

test('a rate limit service becomes a question per entry, and the waypoint sees the service', () => {
  const config = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.http.ratelimit.v3.RateLimit',
    domain: 'shop',
    failure_mode_deny: true,
    timeout: '0.25s',
    rate_limit_service: {
      grpc_service: { envoy_grpc: { cluster_name: 'outbound|80||limiter.limits.svc.cluster.local' } },
    },
  };
  const patch = { operation: 'INSERT_BEFORE', value: { name: 'g', typed_config: config } };
  const unknown = {
    applyTo: 'HTTP_ROUTE',
    patch: { operation: 'MERGE', value: { route: { rate_limits: [{ actions: [{ metadata: {} }] }] } } },
  };
  const model = testModel([
    ...pool,
    filter([
      { applyTo: 'HTTP_FILTER', patch },
      limitsOfHost(byUser, { generic_key: { descriptor_value: 'all' } }),
      unknown,
    ]),
  ]);
  const body = policyOf(model, 0);
  assert.equal(body.case, 'globalRateLimit');
  if (body.case !== 'globalRateLimit') return;
  const { backend, domain, denyOnError, timeout, actions } = body.value;
  assert.deepEqual([domain, denyOnError, timeout?.nanos], ['shop', true, 250_000_000]);
  assert.deepEqual(
    actions.map(({ key, source }) => [key, source.case]),
    [
      ['user', 'requestHeader'],
      ['generic_key', 'genericValue'],
    ],
  );
  assert.equal(backend, 'limits/limiter.limits.svc.cluster.local/80');
  assert.ok(model.config.isVisible('apps/wp', BACKEND_TYPE_URL, backend));
  assert.ok(model.config.isVisible('apps/wp', ADDRESS_TYPE_URL, 'limits/limiter.limits.svc.cluster.local'));
});

test('whatever an EnvoyFilter holds, the other policies of the service stay', () => {
  const deny = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'p', namespace: 'apps' },
    spec: { targetRefs: ofService },
  };
  const odd = [
    { applyTo: 'CLUSTER', patch: { operation: 'ADD', value: { name: 'x' } } },
    { applyTo: 'HTTP_FILTER' },
    { applyTo: 'HTTP_FILTER', patch: { value: { typed_config: { '@type': localType, token_bucket: 3 } } } },
  ];
  const model = testModel([...pool, deny, filter(odd)]);
  assert.deepEqual(refsOf(model), [['AuthorizationPolicy/apps/p', []]]);
  assert.deepEqual(model.problems(), []);
});
