import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '@ambit/runtime/testing';
import { ACCEPT_EVERY_MS, AcceptPace } from './accept-pace.ts';
import type { ZdsChannel } from './channel.ts';

function channel(): { readonly channel: ZdsChannel; readonly isClosed: () => boolean } {
  const closed = Promise.withResolvers<void>();
  let isClosed = false;
  return {
    channel: {
      carriesDescriptors: true,
      send: async () => undefined,
      receive: async () => undefined,
      close() {
        isClosed = true;
        closed.resolve();
      },
      closed: closed.promise,
    },
    isClosed: () => isClosed,
  };
}

test('one connection is taken at once, the others five a second and in their order', async () => {
  const clock = createFakeClock();
  const taken: ZdsChannel[] = [];
  const pace = new AcceptPace((next) => taken.push(next), clock);
  const all = Array.from({ length: 4 }, () => channel().channel);
  for (const each of all) pace.admit(each);
  assert.deepEqual(taken, all.slice(0, 1));
  await clock.advance(ACCEPT_EVERY_MS - 1);
  assert.equal(taken.length, 1);
  await clock.advance(1);
  assert.equal(taken.length, 2);
  await clock.advance(10 * ACCEPT_EVERY_MS);
  assert.deepEqual(taken, all);
  pace.admit(channel().channel);
  assert.equal(taken.length, 5, 'after a pause the next one does not wait');
});

test('a connection that ends while it waits is not taken, and makes no other one wait', async () => {
  const clock = createFakeClock();
  const taken: ZdsChannel[] = [];
  const pace = new AcceptPace((next) => taken.push(next), clock);
  const [one, two, three] = [channel().channel, channel().channel, channel().channel];
  for (const each of [one, two, three]) pace.admit(each);
  two.close();
  await clock.advance(ACCEPT_EVERY_MS);
  assert.deepEqual(taken, [one, three]);
});

test('of very many that come at once those beyond the limit are closed, and at the end those that wait', () => {
  const pace = new AcceptPace(() => undefined, createFakeClock());
  const all = Array.from({ length: 100 }, channel);
  for (const each of all) pace.admit(each.channel);
  assert.equal(all.filter(({ isClosed }) => isClosed()).length, 35);
  pace.close();
  assert.equal(all.filter(({ isClosed }) => !isClosed()).length, 1);
});
