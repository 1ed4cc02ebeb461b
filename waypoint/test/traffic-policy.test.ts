// Traffic policies of backends through a real data plane: circuit breakers, outlier detection, consistent hashing.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type BackendSchema, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh, type TestMesh } from '../src/testing/index.ts';

const backendKey = `apps/${HOSTNAME}/80`;
type Backend = Exclude<MessageInitShape<typeof BackendSchema>, { $typeName: string }>;

describe('traffic policies', () => {
  let mesh: TestMesh;
  beforeEach(async () => {
    mesh = await startTestMesh();
  });
  afterEach(() => mesh.close());
  const backend = (policy: Backend): void =>
    mesh.configure({
      backends: {
        [backendKey]: {
          hostname: HOSTNAME,
          port: 80,
          protocol: 1,
          serviceNamespace: 'apps',
          serviceName: 'reviews',
          ...policy,
        },
      },
    });
  const answers = (n: number) => mesh.addWorkload(n, { handler: (_request, response) => response.end(`from ${n}`) });

  test('a request over the limit is answered at once, and the next one finds room again', async () => {
    const held = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    mesh.addWorkload(2, {
      handler: (request, response) => {
        if (request.url !== '/hold') return void response.end('ok');
        arrived.resolve();
        return void held.promise.then(() => response.end('held'));
      },
    });
    backend({ pool: { maxRequests: 1 } });
    const first = mesh.get('/hold');
    await arrived.promise;
    const refused = await mesh.get('/');
    assert.equal(refused.status, 503);
    assert.match(refused.body, /reset reason: overflow$/);
    assert.equal(refused.headers['x-envoy-overloaded'], 'true');
    assert.match(mesh.accessLines[0] ?? '', / 503 UO upstream_reset_before_response_started\{overflow\} /);
    held.resolve();
    assert.equal((await first).body, 'held');
    assert.equal((await mesh.get('/')).status, 200);
  });

  test('an endpoint that fails is left out; without any endpoint the answer is UH', async () => {
    answers(2);
    mesh.addWorkload(3, {
      handler: (_request, response) => {
        response.statusCode = 500;
        response.end();
      },
    });
    backend({ outlier: { consecutive5xx: 1, maxPercent: 100 } });
    const statuses: number[] = [];
    for (let index = 0; index < 30; index++) statuses.push((await mesh.get('/')).status);
    assert.equal(statuses.filter((status) => status === 500).length, 1);
    mesh.publish({ workloads: [] });
    backend({
      outlier: { consecutive5xx: 1, maxPercent: 100 },
      subset: 'bad',
      members: ['cluster//Pod/apps/reviews-3'],
    });
    assert.equal((await mesh.get('/')).status, 500);
    const none = await mesh.get('/');
    assert.deepEqual([none.status, none.body], [503, 'no healthy upstream']);
  });

  test('near endpoints come first; the second retry of a rule for remote localities goes further', async () => {
    const at = (region: string) => ({ locality: { region, zone: '', subzone: '' } });
    mesh.addWorkload(1, { overrides: { ...at('here'), services: {} } }); // the waypoint itself
    const attempts: string[] = [];
    const note = (region: string, status: number) => (request: IncomingMessage, response: ServerResponse) => {
      attempts.push(`${region} ${String(request.headers['x-envoy-attempt-count'])}`);
      response.statusCode = status;
      response.end(region);
    };
    mesh.addWorkload(2, { handler: note('here', 503), overrides: at('here') });
    mesh.addWorkload(3, { handler: note('there', 200), overrides: at('there') });
    backend({ outlier: { consecutive5xx: 1000, maxPercent: 100 } });
    const retry = { attempts: 2, retryOn: ['5xx'], base: { nanos: 1_000_000 } };
    const route = (more: object) =>
      mesh.configure({
        frontends: {
          [`apps/${HOSTNAME}`]: {
            hostname: HOSTNAME,
            namespace: 'apps',
            ports: [{ port: 80, protocol: 1, routeTable: 'retrying', backend: backendKey }],
          },
        },
        routeTables: {
          retrying: {
            routes: [
              {
                retry: { ...retry, ...more },
                action: { case: 'forward', value: { targets: [{ backend: backendKey, weight: 1 }] } },
              },
            ],
          },
        },
      });
    route({});
    assert.equal((await mesh.get('/')).status, 503);
    assert.deepEqual(attempts.splice(0), ['here 1', 'here 2', 'here 3']);
    route({ remoteLocalities: true });
    assert.equal((await mesh.get('/')).body, 'there');
    assert.deepEqual(attempts, ['here 1', 'here 2', 'there 3']);
  });

  test('requests with the same key go to the same endpoint', async () => {
    for (const n of [2, 3, 4]) answers(n);
    backend({ lb: { algo: LoadBalancer_Algo.HASH, hash: { key: { case: 'header', value: 'x-user' } } } });
    const bodies = async (user: string) => {
      const seen = new Set<string>();
      for (let index = 0; index < 5; index++) seen.add((await mesh.get('/', { headers: { 'x-user': user } })).body);
      return [...seen];
    };
    const all = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map(bodies));
    assert.ok(all.every((seen) => seen.length === 1));
    assert.ok(new Set(all.flat()).size > 1);
  });

  test('a cookie for hashing is given to the client and honoured', async () => {
    for (const n of [2, 3, 4]) answers(n);
    const cookie = { name: 'stick', ttl: { seconds: 60n, nanos: 0 }, path: '/' };
    backend({ lb: { algo: LoadBalancer_Algo.HASH, hash: { key: { case: 'cookie', value: cookie } } } });
    const first = await mesh.get('/');
    const [made] = first.headers['set-cookie'] ?? [];
    assert.match(made ?? '', /^stick="[0-9a-f]{16}"; Max-Age=60; Path=\/; HttpOnly$/);
    const again = await mesh.get('/', { headers: { cookie: made?.split(';')[0] ?? '' } });
    assert.deepEqual([again.body, again.headers['set-cookie']], [first.body, undefined]);
  });
});
