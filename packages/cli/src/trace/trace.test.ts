import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Verdict } from '../explain/decide.ts';
import type { Flow } from '../traffic/access-line.ts';
import { flow } from '../traffic/testing/flow.ts';
import { hostOf } from '../traffic/flow-address.ts';
import { type Trace, TraceAssembler } from './assemble.ts';
import { hopsOf, traceText } from './print.ts';

const assembler = () =>
  new TraceAssembler({
    sourceIps: new Set(['10.0.0.1']),
    sources: new Set(['shop/load']),
    service: 'reviews.shop.svc.cluster.local',
    destinationIp: '10.96.0.1',
  });

const outbound = (fields: Partial<Flow> = {}): Flow => flow({ connection: 'c1', ...fields });
const inbound = (fields: Partial<Flow> = {}): Flow =>
  flow({ direction: 'inbound', connection: 'c1', destination: 'shop/reviews-v1', ...fields });
const request = (fields: Partial<Flow> = {}): Flow =>
  flow({
    direction: 'waypoint',
    connection: 'c1',
    method: 'GET',
    path: '/a',
    status: 200,
    destination: 'shop/reviews-v1',
    destinationAddress: 'envoy://connect_originate/10.0.0.3:9080',
    ...fields,
  });

/** Which hops each trace has, once nothing more comes. */
const traced = (flows: readonly Flow[], nowMs = Number.POSITIVE_INFINITY): readonly string[] => {
  const traces = assembler();
  for (const one of flows) traces.add(one, 0);
  return traces
    .take(nowMs)
    .map(({ main, ...hops }) =>
      [main.direction, ...(['outbound', 'waypoint', 'inbound'] as const).filter((hop) => hops[hop])].join(' '),
    );
};

test('the hops of one connection make one trace, in whatever order they are told', () => {
  assert.deepEqual(traced([outbound(), inbound()], 0), ['outbound outbound inbound']);
  assert.deepEqual(traced([inbound(), outbound()], 0), ['outbound outbound inbound']);
  assert.deepEqual(traced([outbound()], 0), [], 'its other end is still to come');
  assert.deepEqual(traced([outbound()]), ['outbound outbound']);
  assert.deepEqual(traced([inbound({ service: '' }), outbound()]), ['outbound outbound inbound']);
  assert.deepEqual(traced([inbound({ service: '' })]), [], 'nobody says that it led there');
});

test('requests of one connection are a trace each, and the end of their connection is none', () => {
  const traces = assembler();
  traces.add(request(), 0);
  traces.add(request({ path: '/b' }), 0);
  assert.equal(traces.take(1).length, 0);
  assert.deepEqual(
    traces.take(5000).map(({ main, outbound: first }) => [main.path, first]),
    [
      ['/a', undefined],
      ['/b', undefined],
    ],
  );
  traces.add(outbound(), 6000);
  assert.deepEqual(traces.take(60_000), []);
});

test('a connection with a steady stream of requests shows each of them', () => {
  const traces = assembler();
  let shown = 0;
  for (let nowMs = 0; nowMs < 20_000; nowMs += 500) {
    traces.add(request(), nowMs);
    shown += traces.take(nowMs).length;
  }
  assert.ok(shown >= 30, String(shown));
});

test('what others do, and what leads elsewhere, is no part of it', () => {
  const other = { source: 'shop/other', sourceAddress: '10.0.0.7:1', connection: 'c2' };
  assert.deepEqual(traced([outbound(other), inbound(other), request(other)]), []);
  assert.deepEqual(traced([outbound({ service: 'ratings.shop.svc.cluster.local' })]), []);
});

test('a refusal behind the waypoint is the last hop of the request that failed by it', () => {
  const refusal = inbound({
    connection: '',
    source: 'shop/waypoint',
    sourceAddress: '10.0.0.9:3',
    destinationAddress: '10.0.0.3:15008',
    error: 'connection closed due to policy rejection: explicitly denied by: shop/p',
  });
  assert.deepEqual(traced([refusal, outbound(), request({ status: 503, error: 'UF' })]), [
    'waypoint outbound waypoint inbound',
  ]);
  const later = { ...refusal, time: '2026-01-01T00:01:00.000Z' };
  assert.deepEqual(traced([later, outbound(), request()]), ['waypoint outbound waypoint']);
});

test('the text names reporters, identities, verdicts, and the policy at the endpoint that was taken', () => {
  const verdict: Verdict = {
    outcome: 'denied',
    summary: '',
    by: [],
    steps: [
      { name: 'L7', text: 'allowed' },
      { name: 'L4', text: 'shop/reviews-v1-abc: DENIED: explicitly denied by: shop/p' },
      { name: 'L4', text: 'shop/reviews-v2-abc: no policy applies: allowed' },
    ],
  };
  const one: Trace = {
    main: request({ reporter: 'waypoint-1.shop' }),
    outbound: undefined,
    waypoint: request({ reporter: 'waypoint-1.shop' }),
    inbound: undefined,
  };
  assert.equal(
    traceText(one, hopsOf(one, verdict)),
    `00:00:00.000  GET /a  200 ok  1ms  connection c1
  1 node proxy, outbound: not ended, or not reported
  2 waypoint waypoint-1.shop: shop/load -> shop/reviews-v1, mTLS, ok, 1ms
      identity  spiffe://cluster.local/ns/shop/sa/load -> spiffe://cluster.local/ns/shop/sa/waypoint
      policy    allowed
  3 node proxy, inbound: not ended, or not reported
      policy    shop/reviews-v1-abc: DENIED: explicitly denied by: shop/p`,
  );
});

test('an address is found in every form that proxies write, and no text breaks it', () => {
  assert.deepEqual(['10.0.0.1:80', '[::1]:80', 'envoy://connect_originate/10.0.0.2:80', ''].map(hostOf), [
    '10.0.0.1',
    '::1',
    '10.0.0.2',
    '',
  ]);
  fc.assert(fc.property(fc.string(), (text) => void hostOf(text)));
});
