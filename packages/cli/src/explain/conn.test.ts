import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Flow, flowOf } from '../traffic/access-line.ts';
import { flow } from '../traffic/testing/flow.ts';
import { explainFlow, withoutSource } from './conn.ts';
import { hostAndPort } from '../traffic/flow-address.ts';
import { recordedQuestion } from './recorded.ts';
import { policyFor, shopObjects } from './testing/shop.ts';
import { worldOf } from './world.ts';

const open = worldOf(shopObjects, {}, 'istio-system');
const closed = worldOf([...shopObjects, policyFor('other')], {}, 'istio-system');

const refusal = 'connection closed due to policy rejection: allow policies exist, but none allowed';
const client = 'spiffe://cluster.local/ns/shop/sa/client';
const inbound = (fields: Partial<Flow> = {}): Flow =>
  flow({
    direction: 'inbound',
    source: 'shop/client',
    destination: 'shop/web',
    sourceAddress: '10.0.0.1:4000',
    destinationAddress: '10.0.0.3:15008',
    authority: '10.0.0.3:8080',
    sourceIdentity: client,
    service: 'web.shop.svc.cluster.local',
    ...fields,
  });
const outbound = (fields: Partial<Flow> = {}): Flow => inbound({ direction: 'outbound', ...fields });

test('a refused connection is refused again by the policy that says so, and by none once that is gone', () => {
  const still = explainFlow(closed, inbound({ error: refusal }));
  assert.equal(still.now?.outcome, 'denied');
  assert.match(still.now.summary, /^DENIED at shop\/web/);
  assert.deepEqual(still.notes, []);
  const gone = explainFlow(open, inbound({ error: refusal }));
  assert.equal(gone.now?.outcome, 'allowed');
  assert.match(gone.notes.join(), /the policies have changed since/);
});

test('what a node proxy decided is decided with the identity that it saw', () => {
  assert.equal(
    explainFlow(closed, inbound({ sourceIdentity: client.replace('client', 'other') })).now?.outcome,
    'allowed',
  );
  assert.equal(explainFlow(closed, inbound({ sourceIdentity: '' })).now?.outcome, 'denied');
});

test('the source asked for a service: the port of the endpoint is turned back into that of the service', () => {
  const question = recordedQuestion(open, outbound());
  assert.ok(typeof question !== 'string' && question.kind === 'way');
  assert.deepEqual(question.question.destination, { ip: '10.96.0.1', port: 80 });
  const early = recordedQuestion(open, outbound({ authority: '', destinationAddress: '10.96.0.1:80', service: '' }));
  assert.ok(typeof early !== 'string' && early.kind === 'way');
  assert.deepEqual(early.question.destination, { ip: '10.96.0.1', port: 80 });
});

test('a request at a waypoint is asked again with its method and path', () => {
  const line =
    '[2026-11-20T10:00:00.123Z] "GET /a HTTP/1.1" 403 - rbac - "-" 1 2 7 - "-" "curl/8" "id" "web" "-" - - 10.96.0.1:80 10.0.0.1:4000 - r';
  const read = flowOf(line);
  assert.ok(read !== undefined);
  const question = recordedQuestion(open, read);
  assert.ok(typeof question !== 'string' && question.kind === 'way');
  assert.deepEqual(question.question.destination, { ip: '10.96.0.1', port: 80 });
  assert.deepEqual(question.question.request, { method: 'GET', path: '/a', host: 'web:80', headers: [] });
});

test('who is unknown is said, and an error that policies do not explain gets its own hint', () => {
  assert.match(
    explainFlow(open, outbound({ source: 'x/y', sourceAddress: '1.2.3.4:5' })).missing,
    /nothing is known of x\/y/,
  );
  const blocked = outbound({ error: 'connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: x' });
  assert.deepEqual(explainFlow(open, blocked).notes[1], 'try: ambit check network-policy');
});

test('lines of ambit logs and of ambit tap are read as they come', () => {
  const one = inbound({ error: refusal });
  assert.deepEqual(flowOf(JSON.stringify(one)), one);
  assert.equal(withoutSource('[istio-system/ztunnel-x] 2026 info'), '2026 info');
  assert.equal(withoutSource('[2026-11-20T10:00:00.123Z] "GET / x"'), '[2026-11-20T10:00:00.123Z] "GET / x"');
});

test('no text breaks an address, and no flow the question', () => {
  assert.deepEqual(hostAndPort('envoy://connect_originate/[::1]:80'), { host: '::1', port: 80 });
  assert.equal(hostAndPort('10.0.0.1'), undefined);
  const text = fc.oneof(fc.string(), fc.constantFrom('10.0.0.1:80', '10.96.0.1:80', 'shop/web', '[::1]:1'));
  fc.assert(
    fc.property(
      fc.constantFrom('inbound' as const, 'outbound' as const, 'waypoint' as const),
      fc.record({ source: text, destination: text, service: text, authority: text, sourceAddress: text, method: text }),
      (direction, fields) => void explainFlow(closed, flow({ direction, ...fields })),
    ),
  );
});
