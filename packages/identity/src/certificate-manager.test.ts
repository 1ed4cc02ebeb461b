import assert from 'node:assert/strict';
import { test } from 'node:test';

import { silentLogger } from '@ambit/runtime/log';
import { createFakeClock } from '@ambit/runtime/testing';
import type { FakeClock } from '@ambit/runtime/testing';

import { createCertificateManager } from './certificate-manager.ts';
import type { CertificateManager } from './certificate-manager.ts';
import type { CertificateSource } from './certificate-source.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';

const hourMs = 3_600_000;

interface Request {
  readonly identity: string;
  readonly signal: AbortSignal;
  answer(change?: Partial<WorkloadCertificate>): Promise<void>;
  fail(message?: string): Promise<void>;
}

interface Stage {
  readonly clock: FakeClock;
  readonly manager: CertificateManager;
  /** Requests at the CA that are not answered yet, oldest first. */
  readonly open: Request[];
  /** Identities in the order in which the CA was asked. */
  readonly asked: string[];
  /** The oldest open request. */
  readonly next: () => Request;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function stage(concurrency = 8): Stage {
  const clock = createFakeClock();
  const open: Request[] = [];
  const asked: string[] = [];
  let serial = 0;
  const ca: CertificateSource = {
    fetch: (identity, { signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<WorkloadCertificate>();
      const settle = async (act: () => void): Promise<void> => {
        open.splice(open.indexOf(request), 1);
        act();
        await turn();
      };
      const request: Request = {
        identity,
        signal,
        answer: (change) => settle(() => resolve({ ...certificate(identity, clock.now(), (serial += 1)), ...change })),
        fail: (message = 'no') => settle(() => reject(new Error(message))),
      };
      open.push(request);
      asked.push(identity);
      return promise;
    },
  };
  const manager = createCertificateManager({ ca, clock, log: silentLogger, concurrency, random: () => 0.5 });
  const next = (): Request => {
    const [request] = open;
    assert.ok(request, 'the CA was not asked');
    return request;
  };
  return { clock, manager, open, asked, next };
}

function certificate(identity: string, now: number, serial: number): WorkloadCertificate {
  const times = { notBefore: now, notAfter: now + 2 * hourMs };
  return { identity, certChainPem: '', privateKeyPem: '', rootsPem: '', serial: String(serial), ...times };
}

test('requests for one identity share one fetch, later ones get what is held', async () => {
  const { manager, next, asked } = stage();
  const [one, two] = [manager.get('a'), manager.get('a')];
  await next().answer();
  assert.equal(await one, await two);
  assert.equal(await manager.get('a'), await one);
  assert.equal(manager.current('a'), await one);
  assert.deepEqual(asked, ['a']);
  manager.close();
});

test('traffic overtakes prefetch, and a prefetched identity that traffic needs moves up', async () => {
  const { manager, next, asked } = stage(1);
  for (const identity of ['a', 'b', 'c', 'd']) manager.prefetch(identity);
  void manager.get('x').catch(() => undefined);
  void manager.get('d').catch(() => undefined);
  for (let count = 0; count < 5; count += 1) await next().answer();
  assert.deepEqual(asked, ['a', 'x', 'd', 'b', 'c']);
  manager.close();
});

test('no more requests run at once than the limit allows', async () => {
  const { manager, open, next } = stage(4);
  for (let count = 0; count < 10; count += 1) manager.prefetch(`id-${count}`);
  assert.equal(open.length, 4);
  await next().answer();
  assert.equal(open.length, 4);
  assert.equal(manager.states().size, 10);
  manager.close();
});

test('a certificate is renewed at the middle of its life and watchers hear of it', async () => {
  const { manager, clock, next, open } = stage();
  const seen: string[] = [];
  using _watch = manager.watch((fresh) => seen.push(fresh.serial));
  const first = manager.get('a');
  await next().answer();
  await first;
  await clock.advance(hourMs - 1);
  assert.equal(open.length, 0);
  await clock.advance(1);
  assert.equal(manager.current('a')?.serial, '1');
  await next().answer();
  assert.equal(manager.current('a')?.serial, '2');
  assert.deepEqual(seen, ['1', '2']);
  manager.close();
});

test('a failed renewal keeps the valid certificate and tries again, at the latest when it expires', async () => {
  const { manager, clock, next } = stage();
  const first = manager.get('a');
  await next().answer();
  await first;
  await clock.advance(hourMs);
  await next().fail();
  assert.equal((await manager.get('a')).serial, '1');
  await clock.advance(1000);
  await next().fail();
  await clock.advance(2000);
  await next().answer();
  assert.equal(manager.current('a')?.serial, '2');
  manager.close();
});

test('without a valid certificate requests fail at once with the last error while retries go on', async () => {
  const { manager, clock, next, open } = stage();
  const first = manager.get('a');
  const refused = assert.rejects(first, /first/);
  await next().fail('first');
  await refused;
  await assert.rejects(manager.get('a'), /first/);
  assert.equal(open.length, 0);
  await clock.advance(1000);
  await next().fail('second');
  await assert.rejects(manager.get('a'), /second/);
  await clock.advance(2000);
  await next().answer();
  assert.equal((await manager.get('a')).serial, '1');
  manager.close();
});

test('a certificate that expires while the CA is away becomes unavailable', async () => {
  const { manager, clock, open, next } = stage();
  const first = manager.get('a');
  await next().answer();
  await first;
  while (manager.states().get('a')?.kind === 'available') {
    await clock.advance(150_000);
    await open[0]?.fail('away');
  }
  assert.ok(clock.now() >= 1_000_000 + 2 * hourMs);
  await assert.rejects(manager.get('a'), /away/);
  manager.close();
});

test('retries never wait longer than 150 seconds', async () => {
  const { manager, clock, open, next } = stage();
  manager.prefetch('a');
  await next().fail();
  for (let count = 0; count < 20; count += 1) {
    await clock.advance(150_000);
    assert.equal(open.length, 1);
    await next().fail();
  }
  manager.close();
});

test('forgetting ends waiting requests, discards what is under way, and allows a new start', async () => {
  const { manager, next, clock } = stage();
  const waiting = manager.get('a');
  const request = next();
  manager.forget('a');
  await assert.rejects(waiting, { code: 'ERR_IDENTITY_FORGOTTEN' });
  assert.equal(request.signal.aborted, true);
  await request.answer();
  assert.equal(manager.current('a'), undefined);
  assert.equal(clock.pending, 0);
  const again = manager.get('a');
  await next().answer();
  assert.equal((await again).serial, '2');
  manager.forget('a');
  assert.equal(clock.pending, 0);
  manager.close();
});

test('a caller may stop waiting without stopping the fetch', async () => {
  const { manager, next } = stage();
  const stop = new AbortController();
  const waiting = manager.get('a', { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await next().answer();
  assert.equal(manager.current('a')?.serial, '1');
  manager.close();
});

test('a certificate whose times make no sense is renewed soon, not in a loop', async () => {
  const { manager, next, clock, open } = stage();
  const first = manager.get('a');
  await next().answer({ notBefore: Number.NaN });
  await first;
  await clock.advance(999);
  assert.equal(open.length, 0);
  await clock.advance(1);
  assert.equal(open.length, 1);
  manager.close();
});

test('closing ends everything', async () => {
  const { manager, clock, next } = stage();
  const waiting = manager.get('a');
  const { signal } = next();
  manager.close();
  manager.close();
  await assert.rejects(waiting, { code: 'ERR_IDENTITY_CLOSED' });
  await assert.rejects(manager.get('b'), { code: 'ERR_IDENTITY_CLOSED' });
  assert.equal(signal.aborted, true);
  assert.equal(clock.pending, 0);
});
