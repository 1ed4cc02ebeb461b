// Dialogues with the client's protocol core; spec node-proxy 4.3, 4.4, 4.8.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MessageInitShape, create } from '@bufbuild/protobuf';
import { DeltaDiscoveryResponseSchema, NodeSchema } from '@ambit/proto/discovery';
import { silentLogger } from '@ambit/runtime/log';
import fc from 'fast-check';
import { type ResourceBatch, anyHandler } from '../resource-type.ts';
import { createDeltaStream } from './delta-stream.ts';
import { type SubscriptionMode, createSubscription, isHeld } from './subscription.ts';

const TYPE = 'type.googleapis.com/test.Thing';

function client(mode: SubscriptionMode, apply?: (batch: ResourceBatch<string>) => { name: string; reason: string }[]) {
  const order: string[] = [];
  const handler = anyHandler<string>({
    typeUrl: TYPE,
    decode(bytes) {
      const text = Buffer.from(bytes).toString();
      if (text === 'garbage') throw new Error('not a thing');
      return text;
    },
    apply(batch) {
      order.push('store');
      return apply?.(batch);
    },
  });
  const subscription = createSubscription(handler, mode);
  const stream = createDeltaStream({
    node: create(NodeSchema, { id: 'n' }),
    subscriptions: [subscription],
    log: silentLogger,
  });
  return {
    stream,
    subscription,
    order,
    receive: (init: MessageInitShape<typeof DeltaDiscoveryResponseSchema>) =>
      stream.onResponse(create(DeltaDiscoveryResponseSchema, { typeUrl: TYPE, nonce: 'x', ...init })),
  };
}

const thing = (name: string, text = name, version = '1', aliases: string[] = []) => ({
  name,
  version,
  aliases,
  resource: { value: Buffer.from(text) },
});

test('a wildcard opens with no names and lists what it holds', () => {
  const { stream, receive } = client('wildcard');
  assert.deepEqual(stream.start()[0]?.initialResourceVersions, {});
  const ack = receive({ resources: [thing('a'), thing('b', 'b', '7')], removedResources: ['b'] });
  assert.deepEqual([ack.responseNonce, ack.errorDetail, ack.node], ['x', undefined, undefined]);
  const [opening, ...rest] = stream.start();
  assert.equal(opening?.node?.id, 'n');
  assert.deepEqual(opening?.resourceNamesSubscribe, []);
  assert.deepEqual(opening?.initialResourceVersions, { a: '1', b: '7' });
  assert.equal(rest.length, 0);
});

test('on demand opens with the star both ways, and names without an answer have an empty version', () => {
  const { stream, receive } = client('on-demand');
  stream.start();
  assert.deepEqual(stream.subscribe(TYPE, ['/10.0.0.1', 'gone'])?.resourceNamesSubscribe, ['/10.0.0.1', 'gone']);
  receive({ resources: [thing('pod', 'pod', 'v', ['/10.0.0.1'])], removedResources: ['gone'] });
  const opening = stream.start()[0];
  assert.deepEqual([opening?.resourceNamesSubscribe, opening?.resourceNamesUnsubscribe], [['*'], ['*']]);
  assert.deepEqual(
    opening?.initialResourceVersions,
    { pod: 'v', '/10.0.0.1': '' },
    'what is missing is not asked again',
  );
});

test('the store changes first, waiters hear second, versions are recorded last', () => {
  const { stream, subscription, order, receive } = client('on-demand');
  stream.start();
  stream.subscribe(TYPE, ['alias']);
  subscription.waiters.set('alias', new Set([(result) => order.push(`${result}, held ${subscription.held.has('a')}`)]));
  receive({ resources: [thing('a', 'a', '1', ['alias'])] });
  assert.deepEqual(order, ['store', 'found, held false']);
  assert.equal(isHeld(subscription, 'alias'), true);
});

test('a reject names the resource and its reason, and is never recorded with the refused version', () => {
  const { stream, subscription, receive } = client('wildcard', ({ updated }) =>
    updated.filter((update) => update.resource === 'bad').map(({ name }) => ({ name, reason: 'it is bad' })),
  );
  stream.start();
  receive({ resources: [thing('a')] });
  const nack = receive({ resources: [thing('a', 'bad', '2'), thing('b', 'garbage'), thing('c')] });
  assert.equal(nack.errorDetail?.message, 'b: not a thing; a: it is bad');
  assert.equal(nack.errorDetail?.code, 0);
  // The last good a stays in the store, so the server must hear of it; no version equals the empty one.
  assert.deepEqual(
    [...subscription.held],
    [
      ['a', ''],
      ['c', '1'],
    ],
  );
  assert.equal(subscription.isSynced, true);
});

test('a store that throws rejects its batch and nothing is recorded', () => {
  const { stream, subscription, receive } = client('wildcard', () => {
    throw new Error('store is broken');
  });
  stream.start();
  assert.equal(receive({ resources: [thing('a')] }).errorDetail?.message, 'a: store is broken');
  assert.equal(subscription.held.size, 0);
});

test('a missing name is asked again with an unsubscribe, a released one goes with the next subscribe', () => {
  const { stream, receive } = client('on-demand');
  stream.start();
  stream.subscribe(TYPE, ['a', 'b']);
  assert.equal(stream.subscribe(TYPE, ['a']), undefined, 'already asked');
  receive({ removedResources: ['a'] });
  stream.release(TYPE, ['b']);
  const again = stream.subscribe(TYPE, ['a']);
  assert.deepEqual(again?.resourceNamesSubscribe, ['a']);
  assert.deepEqual([...(again?.resourceNamesUnsubscribe ?? [])].sort(), ['a', 'b']);
  assert.deepEqual(stream.subscribe(TYPE, ['c'])?.resourceNamesUnsubscribe, []);
});

test('looking up very many absent names leaves nothing behind', () => {
  const { stream, subscription, receive } = client('on-demand');
  stream.start();
  for (let i = 0; i < 1000; i += 1) {
    const request = stream.subscribe(TYPE, [`/10.0.0.${i}`]);
    assert.ok((request?.resourceNamesUnsubscribe.length ?? 0) <= 1);
    receive({ removedResources: [`/10.0.0.${i}`] });
  }
  assert.equal(subscription.asked.size, 0);
  assert.equal(subscription.released.size, 1);
});

test('a wildcard with demands names them in a second request', () => {
  const { stream } = client('wildcard');
  stream.start();
  stream.subscribe(TYPE, ['/10.0.0.1']);
  const [first, second] = stream.start();
  assert.deepEqual(first?.resourceNamesSubscribe, []);
  assert.deepEqual(second?.resourceNamesSubscribe, ['/10.0.0.1']);
});

test('a response of an unknown type is acknowledged and changes nothing', () => {
  const { stream, receive, order } = client('wildcard');
  stream.start();
  const reply = receive({ typeUrl: 'type.googleapis.com/other', resources: [thing('a')] });
  assert.deepEqual([reply.typeUrl, reply.errorDetail, order], ['type.googleapis.com/other', undefined, []]);
  assert.throws(() => stream.subscribe('nope', ['x']), { code: 'ERR_XDS_UNKNOWN_TYPE' });
});

test('a NACK of very many rejects stays short', () => {
  const { stream, receive } = client('wildcard');
  stream.start();
  const reply = receive({ resources: Array.from({ length: 5000 }, (_, i) => thing(`name-${i}`, 'garbage')) });
  assert.ok((reply.errorDetail?.message.length ?? 0) < 9000);
  assert.match(reply.errorDetail?.message ?? '', /and \d+ more$/u);
});

test('no response of a hostile server throws, and aliases never outlive their resources', () => {
  const text = fc.constantFrom('', 'a', 'b', '*', '__proto__', 'constructor', '/10.0.0.1');
  const resource = fc.record({
    name: text,
    version: text,
    aliases: fc.array(text, { maxLength: 3 }),
    value: fc.constantFrom('garbage', 'fine'),
    isEmpty: fc.boolean(),
  });
  const response = fc.record({
    resources: fc.array(resource, { maxLength: 5 }),
    removed: fc.array(text, { maxLength: 3 }),
  });
  fc.assert(
    fc.property(fc.array(response, { maxLength: 10 }), (responses) => {
      const { stream, subscription, receive } = client('on-demand');
      stream.start();
      stream.subscribe(TYPE, ['a', '__proto__']);
      for (const { resources, removed } of responses) {
        receive({
          resources: resources.map(({ name, version, aliases, value, isEmpty }) =>
            isEmpty ? { name, version, aliases } : thing(name, value, version, aliases),
          ),
          removedResources: removed,
        });
      }
      for (const names of subscription.aliases.values()) {
        for (const name of names) assert.ok(subscription.held.has(name));
      }
      stream.start();
    }),
  );
});
