import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { createReplyCache } from './reply-cache.ts';
import { recordsOf, TYPE_A, TYPE_OPT, TYPE_SOA } from './message.ts';

const nameOf = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.alloc(1),
  ]);

function query(name: string, { id = 1, flags = 0x0100, type = TYPE_A } = {}): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  head.writeUInt16BE(flags, 2);
  head.writeUInt16BE(1, 4);
  return Buffer.concat([head, nameOf(name), Buffer.from([0, type, 0, 1])]);
}

interface TestRecord {
  readonly type?: number;
  readonly ttl: number;
  readonly data?: Buffer;
}

function reply(
  to: Buffer,
  {
    rcode = 0,
    answers = [],
    authority = [],
    flags = 0x8180,
  }: {
    rcode?: number;
    answers?: readonly TestRecord[];
    authority?: readonly TestRecord[];
    flags?: number;
  },
): Buffer {
  const head = Buffer.from(to.subarray(0, 12));
  head.writeUInt16BE(flags | rcode, 2);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(authority.length, 8);
  const records = [...answers, ...authority].map(({ type = TYPE_A, ttl, data = Buffer.from([10, 0, 0, 1]) }) => {
    const fixed = Buffer.alloc(12);
    fixed.writeUInt16BE(0xc00c, 0);
    fixed.writeUInt16BE(type, 2);
    fixed.writeUInt16BE(1, 4);
    fixed.writeUInt32BE(ttl, 6);
    fixed.writeUInt16BE(data.length, 10);
    return Buffer.concat([fixed, data]);
  });
  return Buffer.concat([head, to.subarray(12), ...records]);
}

/** The data of an SOA whose negative answers live this long. */
function soa(minimum: number): TestRecord {
  const numbers = Buffer.alloc(20);
  numbers.writeUInt32BE(minimum, 16);
  return { type: TYPE_SOA, ttl: 900, data: Buffer.concat([nameOf('ns.test'), nameOf('who.test'), numbers]) };
}

const ttlsOf = (bytes: Buffer | undefined): number[] | undefined =>
  bytes === undefined ? undefined : recordsOf(bytes)?.map(({ ttlSeconds }) => ttlSeconds);

suite('replies of name servers', () => {
  test('are given again until their shortest record is over, with times to live that count down', () => {
    let now = 0;
    const cache = createReplyCache(() => now);
    const asked = query('web.test');
    cache.put(asked, reply(asked, { answers: [{ ttl: 30 }, { ttl: 300 }] }));
    now = 12_400;
    assert.deepEqual(ttlsOf(cache.get(asked)), [18, 288]);
    now = 29_999;
    assert.deepEqual(ttlsOf(cache.get(asked)), [1, 271]);
    now = 30_000;
    assert.equal(cache.get(asked), undefined);
  });

  test('carry the id and the spelling of the query they answer now', () => {
    const cache = createReplyCache(() => 0);
    const first = query('web.test', { id: 7 });
    cache.put(first, reply(first, { answers: [{ ttl: 30 }] }));
    const second = query('wEb.TeSt', { id: 9 });
    const found = cache.get(second);
    assert.equal(found?.readUInt16BE(0), 9);
    assert.ok(found?.subarray(12, second.length).equals(second.subarray(12)));
  });

  test('are for exactly the flags and the type that were asked', () => {
    const cache = createReplyCache(() => 0);
    const asked = query('web.test');
    cache.put(asked, reply(asked, { answers: [{ ttl: 30 }] }));
    assert.equal(cache.get(query('web.test', { flags: 0x0110 })), undefined);
    assert.equal(cache.get(query('web.test', { type: 28 })), undefined);
    assert.equal(cache.get(query('web2.test')), undefined);
  });

  test('that say "there is none" live as long as the zone says, and not at all when it says nothing', () => {
    for (const rcode of [3, 0]) {
      let now = 0;
      const cache = createReplyCache(() => now);
      const asked = query('no.test');
      cache.put(asked, reply(asked, { rcode, authority: [soa(60)] }));
      now = 59_000;
      assert.notEqual(cache.get(asked), undefined);
      now = 60_000;
      assert.equal(cache.get(asked), undefined);
      cache.put(asked, reply(asked, { rcode }));
      assert.equal(cache.get(asked), undefined);
    }
  });

  test('that were cut, failed, or have no time to live are not kept', () => {
    const cache = createReplyCache(() => 0);
    const asked = query('web.test');
    const answers = [{ ttl: 30 }];
    for (const bad of [
      reply(asked, { answers, flags: 0x8380 }),
      reply(asked, { answers, rcode: 2 }),
      reply(asked, { answers: [{ ttl: 0 }] }),
      reply(asked, { answers }).subarray(0, -1),
    ]) {
      cache.put(asked, bad);
      assert.equal(cache.get(asked), undefined);
    }
  });

  test('keep their EDNS record as it was: its number is no time to live', () => {
    let now = 0;
    const cache = createReplyCache(() => now);
    const asked = query('web.test');
    const edns = { type: TYPE_OPT, ttl: 0x8000, data: Buffer.alloc(0) };
    cache.put(asked, reply(asked, { answers: [{ ttl: 30 }, edns] }));
    now = 5000;
    assert.deepEqual(ttlsOf(cache.get(asked)), [25, 0x8000]);
  });

  test('cost nothing where nobody asked: there is one cache per pod and thread', () => {
    const used = (): number => process.memoryUsage().heapUsed + process.memoryUsage().external;
    const before = used();
    const caches = Array.from({ length: 500 }, () => createReplyCache(() => 0));
    const grown = used() - before;
    assert.ok(grown < 25_000_000, `${Math.round(grown / caches.length / 1024)} KB each`);
  });

  test('of any bytes are read without harm', () => {
    const cache = createReplyCache(() => 0);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const asked = query('web.test');
        const made = Buffer.concat([reply(asked, {}).subarray(0, 12), Buffer.from(bytes)]);
        made.writeUInt16BE(bytes.length % 5, 6);
        cache.put(asked, made);
        const found = cache.get(asked);
        assert.ok(found === undefined || found.length === made.length);
      }),
    );
  });
});
