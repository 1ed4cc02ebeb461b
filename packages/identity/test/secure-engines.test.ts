// TLS as every engine speaks it: the endpoint contract for each engine on both ends, and peers that send garbage, stop
// halfway, show the wrong certificate or none. Every engine must end them with the same error codes.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { suite, test } from 'node:test';
import {
  AGAIN,
  createTlsContext,
  type Endpoint,
  EOF,
  isSecureEngineUsable,
  NetError,
  Region,
  secureClient,
  type SecureEndpoint,
  type SecureEngineName,
  secureServer,
  type TlsContext,
} from '@ambit/net';
import { closed, collect, endpointContract, memoryPair, readSome, send, socketPair } from '@ambit/net/testing';
import { createPeerVerifier, type PeerIdentity, type PeerVerifierOptions } from '../src/peer.ts';
import { createCertificateAuthority, issueLocally, parseRevocationLists } from '../src/index.ts';
import { createSelfSignedRoot } from '../src/signer-material.ts';
import { testCa, testRevocationList } from '../src/testing/index.ts';

const names: readonly SecureEngineName[] = ['node', 'libssl'];
const engines = names.filter((name) => isSecureEngineUsable(name) === true);
const ca = testCa({ intermediates: 1 });

test('the engine over the OpenSSL of this process passes its self-test on this platform', () => {
  assert.equal(isSecureEngineUsable('libssl'), process.platform === 'linux' ? true : isSecureEngineUsable('libssl'));
});

interface Ends {
  readonly client: SecureEngineName;
  readonly server: SecureEngineName;
}

const pairs = engines.flatMap((client) => engines.map((server): Ends => ({ client, server })));

async function contexts(): Promise<{ client: TlsContext; server: TlsContext }> {
  const [a, b] = await Promise.all([ca.issue(ca.identity('ns', 'a')), ca.issue(ca.identity('ns', 'b'))]);
  return { client: createTlsContext(a), server: createTlsContext(b) };
}

type Checks = Partial<PeerVerifierOptions>;

/** Both handshakes over a carrier; settled. */
async function handshake(
  carrier: readonly [Endpoint, Endpoint],
  ends: Ends,
  options: { client?: TlsContext; server?: TlsContext; clientChecks?: Checks; serverChecks?: Checks } = {},
): Promise<[PromiseSettledResult<SecureEndpoint<PeerIdentity>>, PromiseSettledResult<SecureEndpoint<PeerIdentity>>]> {
  const made = await contexts();
  return Promise.allSettled([
    secureClient(carrier[0], options.client ?? made.client, {
      verifyPeer: createPeerVerifier({ roots: ca.rootPem, peerRole: 'server', ...options.clientChecks }),
      engine: ends.client,
      timeoutMs: 10_000,
    }),
    secureServer(carrier[1], options.server ?? made.server, {
      verifyPeer: createPeerVerifier({ roots: ca.rootPem, peerRole: 'client', ...options.serverChecks }),
      engine: ends.server,
      timeoutMs: 10_000,
    }),
  ]);
}

async function securePair(
  carrier: readonly [Endpoint, Endpoint],
  ends: Ends,
): Promise<[SecureEndpoint, SecureEndpoint]> {
  const [client, server] = await handshake(carrier, ends);
  if (client.status === 'rejected') throw client.reason;
  if (server.status === 'rejected') throw server.reason;
  return [client.value, server.value];
}

/** A valid certificate of an authority of its own that has just revoked it, and the checks that would know. */
async function revokedCertificate(): Promise<{ context: TlsContext; checks: Checks }> {
  const material = createSelfSignedRoot({ trustDomain: 'cluster.local' });
  const authority = createCertificateAuthority({ material });
  const certificate = await issueLocally(authority, [ca.identity('ns', 'r')]);
  const lists = parseRevocationLists(testRevocationList(material, [certificate.serial]));
  return { context: createTlsContext(certificate), checks: { roots: authority.rootPem, crl: () => lists } };
}

const codeOf = (side: PromiseSettledResult<unknown>): string =>
  side.status === 'fulfilled' ? 'ok' : NetError.is(side.reason) ? side.reason.code : String(side.reason);

for (const ends of pairs) {
  const name = `${ends.client} to ${ends.server}`;
  endpointContract(`TLS over a socket, ${name}`, async () => {
    const [a, b] = await securePair(await socketPair(), ends);
    return { a, b, dispose: () => {} };
  });

  suite(`TLS, ${name}`, { timeout: 120_000 }, () => {
    test('both sides learn who the other one is and that they speak h2', async () => {
      const [a, b] = await securePair(await socketPair(), ends);
      assert.deepEqual(
        [(a.peer as PeerIdentity).uri, (b.peer as PeerIdentity).uri].map((uri) => uri.slice(-1)),
        ['b', 'a'],
      );
      assert.deepEqual([a.alpn, b.alpn], ['h2', 'h2']);
      assert.ok(a.peerDer().length >= 2, 'the intermediate is there');
      a.destroy(new Error('over'));
      b.destroy(new Error('over'));
    });

    test('a connection that is destroyed while its end is on its way gives its descriptor back, whenever that is', async () => {
      const start = readdirSync('/proc/self/fd').length;
      const moments: readonly (() => Promise<void>)[] = [
        async () => undefined,
        () => new Promise((resolve) => process.nextTick(resolve)),
        () => new Promise((resolve) => setImmediate(resolve)),
        () => new Promise((resolve) => setTimeout(resolve, 1)),
      ];
      for (const moment of [...moments, ...moments]) {
        const [a, b] = await securePair(await socketPair(), ends);
        send(a, 'the last words');
        a.close();
        await moment();
        const over = closed(a);
        a.destroy(new Error('it takes too long'));
        await over;
        b.destroy(new Error('over'));
      }
      for (let look = 0; look < 500 && readdirSync('/proc/self/fd').length > start; look += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.equal(Math.max(0, readdirSync('/proc/self/fd').length - start), 0, 'descriptors are left');
    });

    test('data that follows the last handshake message in the same packet arrives, whatever its size', async () => {
      for (const bytes of [1, 20_000, 1_000_000]) {
        const [a, b] = await securePair(await socketPair(), ends);
        const payload = Buffer.alloc(bytes, 7);
        a.write([Region.of(payload)]);
        assert.ok((await readSome(b, bytes)).equals(payload));
        a.destroy(new Error('over'));
        b.destroy(new Error('over'));
      }
    });

    test('it works over a carrier that is no socket', async () => {
      const [a, b] = await securePair(memoryPair(), ends);
      const got = collect(b);
      send(a, 'inside');
      a.shutdownWrite();
      assert.equal((await got).toString(), 'inside');
      b.shutdownWrite();
      assert.equal((await collect(a)).length, 0);
    });

    test('a record whose end comes later and alone arrives whole, wherever it was parted', async () => {
      for (const tailBytes of [1, 100, 1500, 5000]) {
        const carrier = memoryPair();
        const [a, b] = await securePair(carrier, ends);
        const deliver = carrier[0].write.bind(carrier[0]);
        const partedWrite: Endpoint['write'] = (regions) => {
          const bytes = Buffer.concat(
            regions.map(({ block, offset, length }) => block.subarray(offset, offset + length)),
          );
          for (const region of regions) region.release();
          deliver([Region.of(bytes.subarray(0, -tailBytes))]);
          setImmediate(() => setImmediate(() => deliver([Region.of(bytes.subarray(-tailBytes))])));
          return 'accepted';
        };
        carrier[0].write = partedWrite;
        const payload = Buffer.alloc(16_000, 'parted');
        send(a, payload);
        assert.ok((await readSome(b, payload.length)).equals(payload), `${tailBytes} bytes later`);
        for (const each of [a, b]) each.destroy(new Error('over'));
      }
    });

    test('wrong identity, trust domain, roots, an expired and a revoked certificate are refused', async () => {
      const other = testCa();
      const past = testCa({ now: () => Date.now() - 30 * 24 * 3_600_000 });
      const expired = createTlsContext(await past.issue(past.identity('ns', 'old')));
      const pastRoots = { roots: past.rootPem };
      const revoked = await revokedCertificate();
      const cases: readonly (readonly [what: string, options: Parameters<typeof handshake>[2], side: 0 | 1])[] = [
        ['another identity', { clientChecks: { expected: ['spiffe://cluster.local/ns/ns/sa/c'] } }, 0],
        ['another trust domain', { serverChecks: { trustDomain: 'elsewhere' } }, 1],
        ['roots of somebody else, client', { clientChecks: { roots: other.rootPem } }, 0],
        ['roots of somebody else, server', { serverChecks: { roots: other.rootPem } }, 1],
        ['an expired server', { server: expired, clientChecks: pastRoots }, 0],
        ['an expired client', { client: expired, serverChecks: pastRoots }, 1],
        ['a revoked server', { server: revoked.context, clientChecks: revoked.checks }, 0],
        ['a revoked client', { client: revoked.context, serverChecks: revoked.checks }, 1],
      ];
      for (const [what, options, side] of cases) {
        const results = await handshake(await socketPair(), ends, options);
        assert.equal(codeOf(results[side]), 'ERR_NET_PEER_REFUSED', what);
        for (const result of results) if (result.status === 'fulfilled') result.value.destroy(new Error('over'));
      }
    });

    test('a client without a certificate is refused', async () => {
      const client = createTlsContext({ rootsPem: ca.rootPem });
      const results = await handshake(await socketPair(), ends, { client });
      assert.equal(codeOf(results[1]), 'ERR_NET_PEER_REFUSED');
      for (const result of results) if (result.status === 'fulfilled') result.value.destroy(new Error('over'));
    });

    test('a thousand small messages and a rotated context in between arrive in order', async () => {
      const [a, b] = await securePair(await socketPair(), ends);
      const [c, d] = await securePair(await socketPair(), ends);
      const got = readSome(b, 8000);
      for (let index = 0; index < 1000; index += 1) {
        const message = Buffer.alloc(8);
        message.writeUInt32BE(index, 4);
        a.write([Region.of(message)]);
        if (index % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      const bytes = await got;
      for (let index = 0; index < 1000; index += 1) assert.equal(bytes.readUInt32BE(index * 8 + 4), index);
      for (const each of [a, b, c, d]) each.destroy(new Error('over'));
    });
  });
}

for (const engine of engines) {
  suite(`hostile TLS peers against ${engine}`, { timeout: 120_000 }, () => {
    const accept = async (endpoint: Endpoint): Promise<string> => {
      const { server } = await contexts();
      const verifyPeer = createPeerVerifier({ roots: ca.rootPem, peerRole: 'client' });
      const [result] = await Promise.allSettled([
        secureServer(endpoint, server, { verifyPeer, engine, timeoutMs: 5000 }),
      ]);
      if (result.status === 'fulfilled') result.value.destroy(new Error('over'));
      return codeOf(result);
    };

    test('garbage instead of a ClientHello, of any length, ends the handshake', async () => {
      for (const bytes of [1, 5, 6, 100, 20_000]) {
        for (const first of [0x00, 0x16, 0x17, 0x47, 0x80, 0xff]) {
          const [peer, ours] = await socketPair();
          const outcome = accept(ours);
          peer.write([Region.of(Buffer.alloc(bytes, first))]);
          peer.shutdownWrite();
          void collect(peer);
          assert.equal(await outcome, 'ERR_NET_HANDSHAKE', `${bytes} bytes of ${first}`);
          peer.destroy(new Error('over'));
        }
      }
    });

    test('a handshake cut at any point ends with an error', async () => {
      const whole = await recordClient(engine);
      for (const at of [1, 4, 5, 6, 50, whole.length - 1, whole.length]) {
        const [peer, ours] = await socketPair();
        const outcome = accept(ours);
        peer.write([Region.of(whole.subarray(0, at))]);
        peer.shutdownWrite();
        void collect(peer);
        assert.equal(await outcome, 'ERR_NET_HANDSHAKE', `cut after ${at} bytes`);
        peer.destroy(new Error('over'));
      }
    });

    test('a flipped bit in a record is an error, never data', async () => {
      const [near, far] = await socketPair();
      const [tamperIn, tamperOut] = memoryPair();
      let isTampering = false;
      forward(near, tamperIn, (bytes) => {
        if (isTampering && bytes.length > 30) bytes[20] = (bytes[20] as number) ^ 1;
      });
      forward(tamperIn, near, () => {});
      const [client, server] = await securePair([tamperOut, far], { client: engine, server: engine });
      send(server, 'clean');
      assert.equal((await readSome(client, 5)).toString(), 'clean');
      isTampering = true;
      const end = closed(client);
      const got = collect(client);
      void got;
      send(server, 'changed on the way');
      assert.ok((await end) instanceof Error);
      assert.equal(client.bytesRead, 5);
      server.destroy(new Error('over'));
      near.destroy(new Error('over'));
    });

    test('many connections opened, used and ended leave no handle behind', async () => {
      for (let round = 0; round < 20; round += 1) {
        const [a, b] = await securePair(await socketPair(), { client: engine, server: engine });
        send(a, 'x');
        await readSome(b, 1);
        if (round % 2 === 0) a.destroy(new Error('over'));
        else a.close();
        b.destroy(new Error('over'));
        assert.equal(a.write([Region.of('late')]), 'accepted');
        assert.equal(b.read(), EOF);
      }
    });
  });
}

/** What a client sends first. */
async function recordClient(engine: SecureEngineName): Promise<Buffer> {
  const [ours, peer] = memoryPair();
  const { client } = await contexts();
  const verifyPeer = createPeerVerifier({ roots: ca.rootPem, peerRole: 'server' });
  const attempt = secureClient(ours, client, { verifyPeer, engine, timeoutMs: 5000 }).catch(() => undefined);
  const hello = await readSome(peer, 100);
  peer.destroy(new Error('recorded'));
  await attempt;
  return hello;
}

/** Passes bytes on, one batch at a time, as copies that `change` may touch. */
function forward(from: Endpoint, to: Endpoint, change: (bytes: Buffer) => void): void {
  from.onReadable = () => {
    for (let region = from.read(); region !== EOF && region !== AGAIN; region = from.read()) {
      const bytes = Buffer.from(region.bytes);
      region.release();
      change(bytes);
      to.write([Region.of(bytes)]);
    }
  };
  from.onReadable();
}
