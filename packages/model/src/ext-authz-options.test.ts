import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ADDRESS_TYPE_URL, BACKEND_TYPE_URL, PROXY_CONFIG_TYPE_URL } from '@ambit/proto/type-urls';
import { ProxyConfigSchema } from '@ambit/proto/waypoint';
import type { KubernetesObject } from '@ambit/resources';
import { testService } from '@ambit/resources/testing';
import { extAuthzOptions } from './ext-authz-options.ts';
import { testModel } from './testing/index.ts';

const grpc = (name: string, more: object = {}): object => ({
  name,
  envoyExtAuthzGrpc: { service: 'auth.apps.svc.cluster.local', port: 80, ...more },
});
const http = (more: object = {}): object => ({
  name: 'asker',
  envoyExtAuthzHttp: { service: 'apps/auth.apps.svc.cluster.local', port: 80, ...more },
});

test('providers are read with upstream defaults', () => {
  const [read] = extAuthzOptions([{ name: 'log', envoyFileAccessLog: {} }, grpc('g')]);
  assert.deepEqual(
    [read?.name, read?.isGrpc, read?.namespace, read?.timeoutMs, read?.failOpen, read?.maxBodyBytes],
    ['g', true, '', 600_000, false, 0],
  );
});

test('a provider that cannot be used is left out', () => {
  const bad = [
    http({ port: 0 }),
    http({ port: '80' }),
    http({ service: '' }),
    http({ service: 'a/b/c' }),
    http({ timeout: 'soon' }),
    http({ statusOnError: '9' }),
    http({ pathPrefix: 'check' }),
    http({ headersToUpstreamOnAllow: ['*'] }),
    { ...grpc('g'), name: 'Upper' },
    { ...grpc('g'), name: '' },
    { name: 'null', envoyExtAuthzHttp: null },
  ];
  for (const provider of bad) assert.deepEqual(extAuthzOptions([provider]), [], JSON.stringify(provider));
  assert.deepEqual(extAuthzOptions([grpc('twice'), grpc('twice', { port: 81 })]), []);
  assert.deepEqual(extAuthzOptions([null, 'x', 7, []]), []);
});

const gateway: KubernetesObject = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'wp', namespace: 'apps' },
  spec: { gatewayClassName: 'istio-waypoint', listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }] },
};
const extAuthz = extAuthzOptions([
  http({
    timeout: '2s',
    statusOnError: '503',
    pathPrefix: '/check',
    includeRequestHeadersInCheck: ['X-Token', 'x-*'],
    includeAdditionalHeadersInCheck: { 'x-from': 'mesh' },
    includeRequestBodyInCheck: { maxRequestBytes: 1024, allowPartialMessage: true },
    headersToDownstreamOnDeny: ['*-reason'],
  }),
  grpc('unknown', { service: 'nobody.apps.svc.cluster.local' }),
]);

test('a waypoint is told of providers whose service exists, and may see the service', () => {
  const key = 'apps/auth.apps.svc.cluster.local';
  const model = testModel([gateway], { extAuthz });
  const providers = () => {
    const bytes = model.config.get(PROXY_CONFIG_TYPE_URL, 'self')?.bytes ?? new Uint8Array();
    return fromBinary(ProxyConfigSchema, bytes).providers.filter(({ body }) => body.case === 'extAuthz');
  };
  assert.deepEqual(providers(), []);
  assert.equal(model.config.isVisible('apps/wp', BACKEND_TYPE_URL, `${key}/80`), false);

  model.apply([{ type: 'upsert', object: testService('apps', 'auth', '10.96.0.9', {}) }]);
  const [provider, ...others] = providers();
  assert.deepEqual([provider?.name, others], ['asker', []]);
  const value = provider?.body.case === 'extAuthz' ? provider.body.value : undefined;
  assert.deepEqual(
    [value?.grpc, value?.backend, value?.timeout?.seconds, value?.statusOnError, value?.bodyMax, value?.partial],
    [false, `${key}/80`, 2n, 503, 1024, true],
  );
  assert.deepEqual(
    [...(value?.checkHeaders ?? []), ...(value?.denyHeaders ?? [])].map(({ m }) => m),
    [
      { case: 'exact', value: 'X-Token' },
      { case: 'prefix', value: 'x-' },
      { case: 'suffix', value: '-reason' },
    ],
  );
  assert.deepEqual(value?.extra?.set, { 'x-from': 'mesh' });
  assert.ok(model.config.isVisible('apps/wp', BACKEND_TYPE_URL, `${key}/80`));
  assert.ok(model.config.isVisible('apps/wp', ADDRESS_TYPE_URL, key));
});
