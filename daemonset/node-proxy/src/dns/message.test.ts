import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  buildError,
  buildReply,
  type DnsAnswer,
  parseQuery,
  RCODE,
  TYPE_A,
  questionOf,
  TYPE_CNAME,
  truncated,
  udpLimitBytes,
} from './message.ts';

function ask(name: string, type = TYPE_A, edns?: number): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  const head = Buffer.from([0x12, 0x34, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1]);
  const tail = Buffer.from([0, 0, type, 0, 1]);
  const opt = edns === undefined ? [] : [Buffer.from([0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0])];
  return Buffer.concat([head, ...labels, tail, ...opt]);
}

test('a query is read with its name in lower case and its EDNS size', () => {
  const parsed = parseQuery(ask('Cart.Shop', TYPE_A, 1232));
  assert.ok(parsed.kind === 'query');
  assert.equal(parsed.query.name, 'cart.shop');
  assert.equal(parsed.query.id, 0x1234);
  assert.equal(udpLimitBytes(parsed.query), 1232);
});

test('responses are dropped, other opcodes are not implemented, broken names are format errors', () => {
  const response = ask('a');
  response[2] = 0x80;
  assert.equal(parseQuery(response).kind, 'drop');
  const notify = ask('a');
  notify[2] = 0x20;
  assert.deepEqual(parseQuery(notify), { kind: 'error', id: 0x1234, rcode: RCODE.notImp });
  const broken = ask('a');
  broken[12] = 0xc0;
  assert.deepEqual(parseQuery(broken), { kind: 'error', id: 0x1234, rcode: RCODE.formErr });
});

test('a reply carries the question, a CNAME and addresses, and is authoritative', () => {
  const parsed = parseQuery(ask('cart.shop'));
  assert.ok(parsed.kind === 'query');
  const answers: DnsAnswer[] = [
    { name: 'cart.shop', type: TYPE_CNAME, target: 'cart' },
    { name: 'cart', type: TYPE_A, address: Buffer.from([10, 0, 0, 1]) },
  ];
  const reply = buildReply(parsed.query, { rcode: RCODE.noError, answers, ttlSeconds: 30 }, 4096);
  assert.equal(reply.readUInt16BE(2), 0x8580);
  assert.equal(reply.readUInt16BE(6), 2);
  assert.deepEqual(reply.subarray(-4), Buffer.from([10, 0, 0, 1]));
});

test('a reply that does not fit is cut at a record and marked', () => {
  const parsed = parseQuery(ask('cart'));
  assert.ok(parsed.kind === 'query');
  const answers = Array.from({ length: 100 }, (): DnsAnswer => ({
    name: 'cart',
    type: TYPE_A,
    address: Buffer.alloc(4),
  }));
  const reply = buildReply(parsed.query, { rcode: RCODE.noError, answers, ttlSeconds: 30 }, 512);
  assert.ok(reply.length <= 512);
  assert.equal(reply.readUInt16BE(2) & 0x0200, 0x0200);
  assert.ok(reply.readUInt16BE(6) < 100);
});

test('an error reply repeats the question when it is known', () => {
  const parsed = parseQuery(ask('x'));
  assert.ok(parsed.kind === 'query');
  assert.equal(buildError(1, RCODE.servFail).length, 12);
  assert.equal(buildError(1, RCODE.servFail, parsed.query).length, 12 + parsed.query.question.length);
});

test('no bytes make the parser throw', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void parseQuery(Buffer.from(bytes))));
});

test('a forwarded reply over the limit of its client keeps header and question and says that it was cut', () => {
  const parsed = parseQuery(ask('big.example'));
  assert.ok(parsed.kind === 'query');
  const { query } = parsed;
  const reply = Buffer.concat([
    Buffer.from([0x12, 0x34, 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0]),
    query.question,
    Buffer.alloc(600),
  ]);
  assert.equal(truncated(reply, query, 4096), reply);
  const cut = truncated(reply, query, 512) ?? assert.fail();
  assert.equal(cut.readUInt16BE(2), 0x8380);
  assert.deepEqual([cut.readUInt16BE(4), cut.readUInt16BE(6)], [1, 0]);
  assert.deepEqual(questionOf(cut), query.question);
  assert.equal(truncated(undefined, query, 512), undefined);
});

test('any bytes have a question or none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const question = questionOf(Buffer.from(bytes));
      assert.ok(question === undefined || question.length >= 5);
    }),
  );
});
