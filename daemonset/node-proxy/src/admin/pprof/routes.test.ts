// /debug/pprof of the admin server (spec/node-proxy.md 9.5, 13.13): the answers, and that what V8 sampled is in them, read back by a
// small reader of the wire format that knows nothing of the encoder.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdminRequest, AdminResponse } from '@ambit/runtime/admin';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { createThreadProfiler, type ProfileRequest, type ThreadProfile } from '../../threads/profiler.ts';
import { encodeProfile } from './encode.ts';
import { pprofRoutes } from './routes.ts';

interface Decoded {
  readonly texts: readonly string[];
  readonly types: readonly string[];
  /** Names from the leaf to the root, values, and the thread. */
  readonly samples: readonly {
    readonly stack: readonly string[];
    readonly values: readonly number[];
    readonly thread: string;
  }[];
}

type Fields = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>;

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, (bigint | Uint8Array)[]>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value = type === 0 ? BigInt(reader.int64()) : reader.bytes();
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const messages = (fields: Fields, field: number): Fields[] =>
  (fields.get(field) ?? []).map((value) => fieldsOf(value as Uint8Array));
const integer = (fields: Fields | undefined, field: number): number => Number(fields?.get(field)?.[0] ?? 0n);

function packedIntegers(fields: Fields, field: number): number[] {
  const reader = new BinaryReader((fields.get(field)?.[0] ?? new Uint8Array()) as Uint8Array);
  const values: number[] = [];
  while (reader.pos < reader.len) values.push(Number(reader.int64()));
  return values;
}

function decode(bytes: Uint8Array): Decoded {
  const profile = fieldsOf(bytes);
  const texts = (profile.get(6) ?? []).map((value) => Buffer.from(value as Uint8Array).toString());
  const byId = (field: number): Map<number, Fields> =>
    new Map(messages(profile, field).map((one) => [integer(one, 1), one]));
  const [locations, functions] = [byId(4), byId(5)];
  const nameOf = (location: number): string => {
    const [line] = messages(locations.get(location) ?? new Map(), 4);
    return texts[integer(functions.get(integer(line, 1)), 2)] ?? '';
  };
  return {
    texts,
    types: messages(profile, 1).map((type) => `${texts[integer(type, 1)]}/${texts[integer(type, 2)]}`),
    samples: messages(profile, 2).map((sample) => ({
      stack: packedIntegers(sample, 1).map(nameOf),
      values: packedIntegers(sample, 2),
      thread: texts[integer(messages(sample, 3)[0], 2)] ?? '',
    })),
  };
}

const request = (query = ''): AdminRequest => ({
  method: 'GET',
  path: '/debug/pprof',
  query: new URLSearchParams(query),
  headers: {},
  signal: new AbortController().signal,
  text: async () => '',
});
const bodyOf = ({ body }: AdminResponse): Uint8Array => body as Uint8Array;

test('a profile names functions, values and threads, whatever is shared between them', () => {
  const frames = [
    { name: 'leaf', file: 'a.ts', line: 3 },
    { name: 'root', file: 'a.ts', line: 9 },
  ];
  const threads: ThreadProfile[] = [
    { thread: 'control', frames, samples: [{ stack: [0, 1], values: [2, 5000] }] },
    { thread: 'ztunnel-0', frames: frames.slice(1), samples: [{ stack: [0], values: [1, 70] }] },
  ];
  const decoded = decode(encodeProfile('cpu', threads, { atMs: 1000, durationMs: 10 }));
  assert.equal(decoded.texts[0], '');
  assert.deepEqual(decoded.types, ['samples/count', 'cpu/nanoseconds']);
  assert.deepEqual(decoded.samples, [
    { stack: ['leaf', 'root'], values: [2, 5000], thread: 'control' },
    { stack: ['root'], values: [1, 70], thread: 'ztunnel-0' },
  ]);
});

test('what keeps the thread busy is in its profile, what it waits for is not', { timeout: 60_000 }, async () => {
  const profiler = createThreadProfiler('busy');
  const routes = pprofRoutes(async (asked) => [await profiler.run(asked)]);
  const answer = routes['/debug/pprof/profile']?.(request('seconds=1&frequency=1000'));
  let isOver = false;
  const keepBusy = (): void => {
    if (isOver) return;
    const until = performance.now() + 5;
    while (performance.now() < until) Math.sqrt(until);
    setImmediate(keepBusy);
  };
  keepBusy();
  const refused = await profiler.run({ what: 'cpu', seconds: 1, hertz: 1 }).catch((error: unknown) => error);
  assert.match(String(refused), /taken already/);
  const { samples } = decode(bodyOf((await answer) ?? {}));
  isOver = true;
  assert.ok(samples.some(({ stack, thread }) => stack.includes('keepBusy') && thread === 'busy'));
  assert.ok(samples.every(({ stack }) => !stack.includes('(idle)')));
  assert.ok(samples.every(({ values }) => values.length === 2 && (values[0] ?? 0) > 0));
});

test('the heap is told after it was activated, and only then', { timeout: 60_000 }, async () => {
  const profiler = createThreadProfiler('holder');
  const routes = pprofRoutes(async (asked) => [await profiler.run(asked)]);
  const ask = async (path: string, query = ''): Promise<AdminResponse> => (await routes[path]?.(request(query))) ?? {};
  const before = await ask('/debug/pprof/heap');
  assert.equal(before.status, 500);
  assert.ok(typeof before.body === 'string' && before.body.startsWith('heap profiling is not active'));
  assert.equal((await ask('/debug/pprof/heap/profiling')).body, 'heap profiling is not active\n');
  assert.equal((await ask('/debug/pprof/heap/profiling', 'activate=perhaps')).status, 400);
  assert.equal((await ask('/debug/pprof/heap/profiling', 'activate=true')).body, 'heap profiling is active\n');
  const held: unknown[][] = [];
  const holdMuch = (): void => {
    for (let count = 0; count < 20_000; count += 1) held.push(Array.from({ length: 50 }, () => ({ count })));
  };
  holdMuch();
  const decoded = decode(bodyOf(await ask('/debug/pprof/heap')));
  assert.deepEqual(decoded.types, ['inuse_space/bytes']);
  assert.ok(decoded.samples.some(({ stack, values }) => stack.includes('holdMuch') && (values[0] ?? 0) > 0));
  assert.equal(held.length, 20_000);
  assert.equal((await ask('/debug/pprof/heap/profiling', 'activate=false')).body, 'heap profiling is not active\n');
  assert.equal((await ask('/debug/pprof/heap')).status, 500);
});

test('numbers out of range are refused before anything is sampled', async () => {
  const asked: ProfileRequest[] = [];
  const routes = pprofRoutes(async (one) => (asked.push(one), []));
  const profile = routes['/debug/pprof/profile'];
  for (const query of [
    'seconds=0',
    'seconds=301',
    'seconds=x',
    'seconds=',
    'frequency=0',
    'frequency=1001',
    'frequency=1.5',
  ]) {
    assert.equal((await profile?.(request(query)))?.status, 400, query);
  }
  assert.deepEqual(asked, []);
  await profile?.(request());
  assert.deepEqual(asked, [{ what: 'cpu', seconds: 10, hertz: 100 }]);
});
