// What `/explain` says of requests, with the objects behind the decisions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import {
  AuthzPolicy_Action,
  BackendSchema,
  FrontendSchema,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
} from '@ambit/proto/waypoint';
import { createStateStore } from '@ambit/state';
import fc from 'fast-check';
import { testService, VIP } from '../testing/index.ts';
import { compileConfig } from '../updates/compiled-config.ts';
import { applyConfigDiff, type ConfigDiff, emptyConfig } from '../updates/config-store.ts';
import { explainQueryOf, explainRequest } from './explain.ts';

const service = testService();
const key = `apps/${service.hostname}`;
const meta = (kind: string, name: string) => ({ kind, namespace: 'apps', name });
const rows = (record: Readonly<Record<string, unknown>>) => ({ upsert: Object.entries(record), remove: [] });

const config = compileConfig(
  applyConfigDiff(emptyConfig, {
    kinds: {
      proxy: rows({ self: create(ProxyConfigSchema, { trustDomain: 'cluster.local' }) }),
      frontend: rows({
        [key]: create(FrontendSchema, {
          hostname: service.hostname,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, routeTable: 'table' }],
          policies: [{ policy: 'readers', failClosedIfMissing: true }],
        }),
      }),
      routeTable: rows({
        table: create(RouteTableSchema, {
          routes: [
            {
              name: 'canary',
              origin: meta('HTTPRoute', 'reviews'),
              matches: [{ headers: [{ name: 'x-canary', value: { m: { case: 'exact', value: 'yes' } } }] }],
              action: { case: 'forward', value: { targets: [{ backend: 'v2', weight: 1 }] } },
            },
            { name: 'rest', action: { case: 'direct', value: { status: 204 } } },
          ],
        }),
      }),
      backend: rows({
        v2: create(BackendSchema, { meta: meta('Service', 'v2'), endpoints: [{ address: '10.0.0.9', port: 8080 }] }),
      }),
      policy: rows({
        readers: create(PolicySchema, {
          meta: meta('AuthorizationPolicy', 'readers'),
          body: {
            case: 'authz',
            value: {
              action: AuthzPolicy_Action.ALLOW,
              rules: [{ to: [{ methods: [{ m: { case: 'exact', value: 'GET' } }] }] }],
            },
          },
        }),
      }),
    },
  } as unknown as ConfigDiff),
);
const store = createStateStore();
store.apply({ services: [service] });

const explain = (text: string): Readonly<Record<string, unknown>> => {
  const query = explainQueryOf(new URLSearchParams(text));
  assert.ok(typeof query !== 'string');
  return { ...explainRequest(query, config, store.snapshot()) };
};

test('a request that goes through names route, policy and destination', () => {
  const found = explain(`authority=${VIP}:80&path=/a/../b&header=x-canary: yes`);
  assert.deepEqual(found['route'], { name: 'canary', object: 'HTTPRoute/apps/reviews' });
  assert.deepEqual(found['policies'], [
    { policy: 'readers', kind: 'authz', object: 'AuthorizationPolicy/apps/readers' },
  ]);
  assert.deepEqual(found['authorization'], { allow: true });
  assert.deepEqual(found['destinations'], [
    { backend: 'v2', weight: 1, object: 'Service/apps/v2', endpoints: [{ address: '10.0.0.9', port: 8080 }] },
  ]);
  assert.equal((found['request'] as { path: string }).path, '/b');
  assert.equal(found['answer'], undefined);
});

test('a denied request names who denies, and one that the waypoint answers itself its answer', () => {
  assert.deepEqual(explain(`authority=${VIP}:80&method=POST`)['answer'], {
    status: 403,
    details: 'rbac_access_denied_matched_policy[none]',
  });
  assert.deepEqual(explain(`authority=${service.hostname}:80`)['answer'], { status: 204, details: 'direct_response' });
});

test('what is not served here is a status of the tunnel', () => {
  assert.deepEqual(explain(`authority=${VIP}:81`)['tunnel'], { status: 404, reason: `${key} has no port 81` });
  assert.deepEqual(explain('authority=10.9.9.9:80')['tunnel'], { status: 404, reason: '/10.9.9.9 is not known here' });
});

test('a query that cannot be read says why', () => {
  const problemOf = (text: string): string => {
    const query = explainQueryOf(new URLSearchParams(text));
    return typeof query === 'string' ? query : '';
  };
  assert.match(problemOf(''), /^authority=/);
  assert.match(problemOf('authority=a:1&header=x'), /no name: value/);
  assert.match(problemOf('authority=a:1&claims={'), /no JSON/);
});

test('any query is explained or refused', () => {
  const words = fc.constantFrom('authority', 'method', 'path', 'host', 'principal', 'header', 'claims', 'source_ip');
  fc.assert(
    fc.property(fc.array(fc.tuple(words, fc.string())), (pairs) => {
      const query = explainQueryOf(new URLSearchParams([['authority', `${VIP}:80`], ...pairs]));
      if (typeof query !== 'string') explainRequest(query, config, store.snapshot());
    }),
  );
});
