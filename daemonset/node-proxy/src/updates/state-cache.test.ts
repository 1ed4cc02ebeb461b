import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ADDRESS_TYPE_URL, AUTHORIZATION_TYPE_URL } from '@ambit/proto/type-urls';
import { createLogger } from '@ambit/runtime/log';
import { createStateStore, serviceKey } from '@ambit/state';
import { memberOf, testPolicy, testService, testWorkload } from '@ambit/state/testing';
import { type CacheSource, createStateCache, WRITE_AFTER_MS } from './state-cache.ts';

const cart = testService('cart', { vips: [{ network: '', ip: '10.96.0.20' }] });
const web = testWorkload('web', { ips: ['10.1.0.1'], services: memberOf({}, cart) });
const policy = testPolicy('p', { rules: [[[{ destinationPorts: [80] }]]] });
const scope: readonly string[] = ['Kubernetes', '', 'node-a'];

/** A store filled by the control plane, and a workload of a local file beside it. */
function source(): CacheSource {
  const store = createStateStore();
  store.apply({ workloads: [web, testWorkload('local')], services: [cart], policies: [policy] });
  const addresses = new Map([
    [web.uid, 'v1'],
    [serviceKey(cart), 'v2'],
  ]);
  const held = new Map<string, ReadonlyMap<string, string>>([
    [ADDRESS_TYPE_URL, addresses],
    [AUTHORIZATION_TYPE_URL, new Map([['default/p', 'v3']])],
  ]);
  return { snapshot: () => store.snapshot(), held: (type) => held.get(type) ?? new Map() };
}

function setUp(t: { after: (fn: () => void) => void }) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-cache-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'deeper', 'state');
  const lines: string[] = [];
  const timers: { fn: () => void; ms: number }[] = [];
  const log = createLogger({ level: 'info', format: 'plain', write: (line) => lines.push(line) });
  const clock = {
    now: () => 0,
    setTimeout: (fn: () => void, ms: number) => {
      timers.push({ fn, ms });
      return { [Symbol.dispose]: () => void timers.pop() };
    },
  };
  const open = (of: readonly string[] = scope) => createStateCache({ path, scope: of, clock, log });
  return { path, lines, timers, open };
}

test('what the control plane said comes back with its versions; what a local file said does not', (t) => {
  const { path, timers, open } = setUp(t);
  const cache = open();
  assert.equal(cache.read(), undefined);
  cache.changed(source());
  cache.changed(source());
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [WRITE_AFTER_MS],
  );
  timers[0]?.fn();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const restored = open().read();
  const store = createStateStore();
  store.apply({ ...restored });
  assert.deepEqual(
    restored?.workloads.map(({ uid }) => uid),
    [web.uid],
  );
  assert.equal(store.snapshot().endpoints.get(serviceKey(cart))?.size, 1);
  assert.deepEqual(store.snapshot().policies.get('default/p'), policy);
  assert.equal(restored?.versions.get(ADDRESS_TYPE_URL)?.get(web.uid), 'v1');
  assert.equal(restored?.versions.get(AUTHORIZATION_TYPE_URL)?.get('default/p'), 'v3');
});

test('a change that waits is written when the process ends', (t) => {
  const { timers, open } = setUp(t);
  const cache = open();
  cache.changed(source());
  cache[Symbol.dispose]();
  assert.equal(timers.length, 0);
  assert.equal(open().read()?.policies.length, 1);
});

test('a damaged, foreign, empty or unknown file is told once and never used', (t) => {
  const { path, lines, open } = setUp(t);
  const write = (): Buffer => {
    const cache = open();
    cache.changed(source());
    cache[Symbol.dispose]();
    return readFileSync(path);
  };
  const good = write();
  const flipped = Buffer.from(good);
  flipped[good.length - 5] = (flipped[good.length - 5] ?? 0) ^ 1;
  const cases: readonly (readonly [Buffer, readonly string[], string])[] = [
    [flipped, scope, 'the content is damaged'],
    [good.subarray(0, -10), scope, 'the content is damaged'],
    [good, ['Kubernetes', '', 'node-b'], 'the file is of another cluster or node'],
    [Buffer.alloc(0), scope, 'the file has no head'],
    [Buffer.from('{"format":"other"}\n{}'), scope, 'the format other is not'],
    [Buffer.from('[1,2\n'), scope, 'JSON'],
  ];
  for (const [bytes, of, why] of cases) {
    writeFileSync(path, bytes);
    lines.length = 0;
    assert.equal(open(of).read(), undefined);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /\twarn\t.*state cache is left aside/);
    assert.ok(lines[0]?.includes(why) === true, String(lines[0]));
    assert.equal(open(of).read(), undefined);
    assert.equal(lines.length, 1);
  }
});

test('the file names no key, token or certificate', (t) => {
  const { path, open } = setUp(t);
  const cache = open();
  cache.changed(source());
  cache[Symbol.dispose]();
  const text = readFileSync(path, 'utf8').toLowerCase();
  for (const word of ['private', 'token', 'bearer', '-----begin', 'certificate']) assert.ok(!text.includes(word), word);
});
