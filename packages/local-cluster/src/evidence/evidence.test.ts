import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tcpSegmentOf } from './frame.ts';
import { WireTally } from './payload.ts';

/** An Ethernet frame from 10.244.1.2:40000 to 10.244.2.3:9080. */
function frameWith(payload: Buffer): Buffer {
  const frame = Buffer.alloc(14 + 20 + 20);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(40 + payload.length, 16);
  frame[23] = 6;
  Buffer.from([10, 244, 1, 2, 10, 244, 2, 3]).copy(frame, 26);
  frame.writeUInt16BE(40_000, 34);
  frame.writeUInt16BE(9080, 36);
  frame[46] = 0x50;
  return Buffer.concat([frame, payload]);
}

test('a frame gives addresses, ports and payload', () => {
  const segment = tcpSegmentOf(frameWith(Buffer.from('hello')));
  assert.equal(segment?.source, '10.244.1.2');
  assert.equal(segment.destinationPort, 9080);
  assert.equal(segment.payload.toString(), 'hello');
});

test('any bytes are a segment or nothing', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void tcpSegmentOf(Buffer.from(bytes))));
});

test('readable requests and TLS records are told apart', () => {
  const tally = new WireTally('packets');
  tally.open('new');
  tally.add(Buffer.from('GET /reviews/0 HTTP/1.1\r\nhost: reviews\r\n\r\n'), 'old');
  tally.add(Buffer.from([23, 3, 3, 0, 16, 1, 2]), 'new');
  tally.add(Buffer.from('ping 1\n'), 'old');
  assert.deepEqual(tally.report(), {
    source: 'packets',
    seen: 3,
    readableRequests: ['GET /reviews/0 HTTP/1.1'],
    readableRequestCount: 1,
    tlsRecords: 1,
    newConnections: 1,
    readableOnNew: [],
  });
});
