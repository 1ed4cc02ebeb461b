// What every implementation of `Endpoint` promises, as tests: run by each engine of this package and of @ambit/hbone
// against its own pair. In: a way to make a connected pair. Out: node:test cases.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AGAIN, type Endpoint, EOF } from '../endpoint.ts';
import { Region } from '../region.ts';
import { relay } from '../relay.ts';
import { collect, closed, readSome, send, writeAll } from './drive.ts';
import { memoryPair } from './memory-pair.ts';

/** A pair under test; `dispose` ends whatever carries it. */
export interface ContractPair {
  readonly a: Endpoint;
  readonly b: Endpoint;
  dispose(): Promise<void> | void;
}

/** Declares the contract suite for one implementation. */
export function endpointContract(name: string, makePair: () => Promise<ContractPair>): void {
  const withPair = async (body: (a: Endpoint, b: Endpoint) => Promise<void>): Promise<void> => {
    const pair = await makePair();
    try {
      await body(pair.a, pair.b);
    } finally {
      pair.a.destroy(new Error('test over'));
      pair.b.destroy(new Error('test over'));
      await pair.dispose();
    }
  };

  suite(`endpoint contract: ${name}`, { timeout: 120_000 }, () => {
    test('bytes arrive in order in both directions and are counted', () =>
      withPair(async (a, b) => {
        send(a, 'ping');
        assert.equal((await readSome(b, 4)).toString(), 'ping');
        send(b, 'pong!');
        assert.equal((await readSome(a, 5)).toString(), 'pong!');
        assert.equal(a.bytesWritten, 4);
        assert.equal(a.bytesRead, 5);
      }));

    test('a batch of several regions keeps its order and releases each region once', () =>
      withPair(async (a, b) => {
        let released = 0;
        const parts = ['one', 'two', 'three'].map((text) => {
          const bytes = Buffer.from(text);
          return new Region(bytes, 0, bytes.length, () => (released += 1));
        });
        a.write(parts);
        assert.equal((await readSome(b, 11)).toString(), 'onetwothree');
        a.shutdownWrite();
        assert.equal((await collect(b)).length, 0);
        assert.ok(released <= 3);
      }));

    test('end of data is reported once everything was read, and the other direction goes on', () =>
      withPair(async (a, b) => {
        send(a, 'last words');
        a.shutdownWrite();
        assert.equal((await collect(b)).toString(), 'last words');
        assert.equal(b.read(), EOF);
        send(b, 'answer after end');
        assert.equal((await readSome(a, 16)).toString(), 'answer after end');
      }));

    test('both directions ended means closed without an error', () =>
      withPair(async (a, b) => {
        const ends = Promise.all([closed(a), closed(b)]);
        a.shutdownWrite();
        b.shutdownWrite();
        await Promise.all([collect(a), collect(b)]);
        assert.deepEqual(await ends, [undefined, undefined]);
        assert.ok(a.isClosed && b.isClosed);
      }));

    test('a reader that does not read stops the writer, and reading lets it go on', () =>
      withPair(async (a, b) => {
        const chunk = Buffer.alloc(64 * 1024, 7);
        let sent = 0;
        while (sent < 64 * 1024 * 1024) {
          sent += chunk.length;
          if (a.write([Region.of(chunk)]) === 'pending') {
            const isStuck = await stuck(a, 100);
            if (isStuck) break;
          }
        }
        assert.ok(sent < 64 * 1024 * 1024, `the writer was never stopped (${sent} bytes)`);
        assert.equal((await readSome(b, sent)).length, sent);
      }));

    test('eight megabytes come through unchanged', () =>
      withPair(async (a, b) => {
        const sent = Buffer.alloc(8 * 1024 * 1024);
        for (let i = 0; i < sent.length; i += 4) sent.writeUInt32LE((i * 2_654_435_761) >>> 0, i);
        const got = collect(b);
        await writeAll(a, sent, 100_000);
        a.shutdownWrite();
        assert.ok(sent.equals(await got));
      }));

    test('close sends what was written', () =>
      withPair(async (a, b) => {
        const payload = Buffer.alloc(100_000, 3);
        const got = collect(b);
        await writeAll(a, payload, 10_000);
        const end = closed(a);
        a.close();
        a.close();
        assert.equal((await got).length, payload.length);
        assert.equal(await end, undefined);
      }));

    test('destroy ends both sides, ours with the reason', () =>
      withPair(async (a, b) => {
        send(a, 'x');
        await readSome(b, 1);
        const reason = new Error('policy changed');
        const ends = Promise.all([closed(a), closedOrEnded(b)]);
        a.destroy(reason);
        a.destroy(new Error('second reason'));
        assert.equal((await ends)[0], reason);
      }));

    test('writing after close only releases', () =>
      withPair(async (a) => {
        a.destroy(new Error('gone'));
        let released = false;
        a.write([new Region(Buffer.from('late'), 0, 4, () => (released = true))]);
        assert.ok(released);
      }));

    test('onClose that is set late is still called', () =>
      withPair(async (a) => {
        a.destroy(new Error('gone'));
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal((await closed(a))?.message, 'gone');
      }));

    test('a relay carries data, half-close and the totals', () =>
      withPair(async (a, b) => {
        const [client, near] = memoryPair();
        const done = relay(near, a);
        const got = collect(b);
        const payload = Buffer.alloc(1_000_000, 9);
        await writeAll(client, payload, 50_000);
        client.shutdownWrite();
        assert.equal((await got).length, payload.length);
        const back = collect(client);
        send(b, 'thanks');
        b.shutdownWrite();
        assert.equal((await back).toString(), 'thanks');
        const result = await done;
        assert.deepEqual([result.aToB, result.bToA, result.error, result.closedBy], [1_000_000, 6, undefined, 'a']);
      }));
  });
}

async function stuck(endpoint: Endpoint, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(true), ms);
  endpoint.onWritable = () => resolve(false);
  const result = await promise;
  clearTimeout(timer);
  endpoint.onWritable = undefined;
  return result;
}

async function closedOrEnded(endpoint: Endpoint): Promise<Error | undefined> {
  const end = closed(endpoint);
  endpoint.onReadable = () => {
    while (typeof endpoint.read() !== 'symbol');
  };
  if (endpoint.read() === AGAIN) return end;
  endpoint.shutdownWrite();
  return end;
}
