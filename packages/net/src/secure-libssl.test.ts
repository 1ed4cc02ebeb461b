// TLS over libssl against a peer that is driven by hand: what the contract suites cannot make a well-behaved peer do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AGAIN, type Endpoint, EOF } from './endpoint.ts';
import { openssl } from './native/tls/openssl.ts';
import { selfSigned } from './native/tls/self-test.ts';
import { SslContext } from './native/tls/ssl-context.ts';
import { SslHandle } from './native/tls/ssl-handle.ts';
import { Region } from './region.ts';
import { isSecureEngineUsable } from './secure-engine.ts';
import { secureServer } from './secure.ts';
import { memoryPair } from './testing/memory-pair.ts';
import { createTlsContext } from './tls-context.ts';

const ROOM = 32 * 1024;
const MESSAGES = 40;

const skip = isSecureEngineUsable('libssl') === true ? false : 'libssl cannot be used here';

/** What the peer has queued, as one piece. */
function outputOf(peer: SslHandle): Buffer {
  const block = Buffer.alloc(ROOM);
  const bytes = peer.outputBytes > 0 ? peer.output(block, 0, ROOM) : 0;
  return block.subarray(0, bytes);
}

/** Everything that came, each region by itself. */
function takeAll(endpoint: Endpoint): Buffer[] {
  const taken: Buffer[] = [];
  for (let next = endpoint.read(); next !== AGAIN && next !== EOF; next = endpoint.read()) {
    taken.push(Buffer.from(next.bytes));
    next.release();
  }
  return taken;
}

/** A server's end that has met the peer. */
async function handshaken(peer: SslHandle, wire: Endpoint, server: Promise<Endpoint>): Promise<Endpoint> {
  for (let round = 0; round < 20 && !peer.handshake(); round += 1) {
    wire.write([Region.of(outputOf(peer))]);
    await turn();
    for (const bytes of takeAll(wire)) peer.input(new Region(bytes, 0, bytes.length, () => {}));
  }
  wire.write([Region.of(outputOf(peer))]);
  return server;
}

async function withPeer(body: (peer: SslHandle, wire: Endpoint, secured: Endpoint) => Promise<void>): Promise<void> {
  const identity = selfSigned(openssl().ssl);
  const peer = new SslHandle(new SslContext(identity, 'client'), false);
  const [wire, plain] = memoryPair();
  const secured = await handshaken(
    peer,
    wire,
    secureServer(plain, createTlsContext(identity), { verifyPeer: () => 'peer', engine: 'libssl' }),
  );
  try {
    await body(peer, wire, secured);
  } finally {
    secured.destroy(new Error('test over'));
    peer.free();
  }
}

test('a peer that changes its key with every message is answered, although nothing is ever said to it', { skip }, () =>
  withPeer(async (peer, wire, secured) => {
    let messages = '';
    let answers = 0;
    for (let sent = 0; sent < MESSAGES; sent += 1) {
      peer.updateKey(true);
      peer.write(Buffer.from('x'), 0, 1);
      wire.write([Region.of(outputOf(peer))]);
      await turn();
      for (const bytes of takeAll(secured)) messages += bytes.toString();
      answers += takeAll(wire).length;
    }
    assert.equal(messages, 'x'.repeat(MESSAGES));
    assert.ok(answers >= 2, `${answers} answers`);
  }),
);

test('records arrive whole however they are cut, small pieces between large ones', { skip }, () =>
  withPeer(async (peer, wire, secured) => {
    const sizes = [64, 16_000, 3, 5000, 4096, 1];
    const sent = Buffer.concat(sizes.map((size, index) => Buffer.alloc(size, index + 1)));
    const wires: Buffer[] = [];
    for (let at = 0, index = 0; index < sizes.length; at += sizes[index] as number, index += 1) {
      peer.write(sent, at, sizes[index] as number);
      wires.push(Buffer.from(outputOf(peer)));
    }
    const stream = Buffer.concat(wires);
    const got: Buffer[] = [];
    const cuts = [1, 4, 90, 6000, 17, 9000, 4097, 1, 2];
    for (let at = 0, index = 0; at < stream.length; index += 1) {
      const size = cuts[index % cuts.length] as number;
      wire.write([Region.of(stream.subarray(at, at + size))]);
      at += size;
      await turn();
      got.push(...takeAll(secured));
    }
    assert.ok(Buffer.concat(got).equals(sent));
  }),
);
