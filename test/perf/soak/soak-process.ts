// One soak run as a process: `<engine> <seconds> <tunnels> <rotate every s> <compile until s>`, started with --expose-gc; ends when both the
// time and the number of tunnels are reached, after three times the time at the latest. 0 as the last: code is compiled to the end. Tunnels of mixed sizes are opened,
// hashed both ways, half-closed, closed or reset, while certificates rotate. Between two rotations, while no connection is open
// and what is free has been given back, memory is looked at: a line on standard error. Prints one JSON line.
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import v8 from 'node:v8';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BYTE_ENGINE_WISHES,
  chooseByteEngine,
  createHbonePool,
  createHboneServer,
  type TunnelRequest,
} from '@ambit/hbone';
import { createPeerVerifier, createTrustStore } from '@ambit/identity';
import { testCa } from '@ambit/identity/testing';
import {
  AGAIN,
  connect,
  createTlsContext,
  type Endpoint,
  EOF,
  fullBlocks,
  hostDomain,
  listenIn,
  Region,
  secureClient,
  smallBlocks,
} from '@ambit/net';
import { allocatedBytes, closed, collect, giveBackFreeMemory, writeAll } from '@ambit/net/testing';
import { silentLogger as log } from '@ambit/runtime/log';
import { residentKb } from './memory.ts';

/** What a run found. */
export interface SoakResult {
  readonly engine: string;
  readonly seconds: number;
  readonly tunnels: number;
  readonly handshakes: number;
  readonly rotations: number;
  readonly bytes: number;
  /** Tunnels whose bytes came back changed, or that failed although nobody reset them. */
  readonly wrong: number;
  readonly firstProblem: string | undefined;
  /** Anonymous memory after warm-up and at the end, what is free given back, KB. */
  readonly anonymousKb: readonly number[];
  /** Straight lines through the samples since code is fixed; where that was not asked for, through the second half of all. */
  readonly slopes: Readonly<Record<Measure, Slope>>;
  /** The same before code was fixed, the first half of them left out. */
  readonly slopesWhileCompiling: Readonly<Record<Measure, Slope>> | undefined;
  readonly descriptors: readonly [before: number, after: number];
  /** Pool blocks still lent at the end. */
  readonly lentBlocks: number;
  /** Warnings of the process (TLS handles that nobody freed are one). */
  readonly warnings: readonly string[];
}

/**
 * KB. `anonymous` is all but the pages of files and is the sum of `code`, `heap`, `arenas` and `other` (memory.ts); `objects` and `machineCode` are
 * what of `heap` and `code` is in use, `allocated` what the C library lent.
 */
const MEASURES = [
  'anonymous',
  'code',
  'heap',
  'arenas',
  'other',
  'file',
  'objects',
  'machineCode',
  'allocated',
] as const;
type Measure = (typeof MEASURES)[number];

/** KB per minute, and the standard error of that: a slope within two of them is level. */
export interface Slope {
  readonly kbPerMinute: number;
  readonly standardError: number;
}

/** Most tunnels carry a request's size, every twentieth carries bulk. */
const SMALL_SIZES = [1, 64, 999, 1024, 1025, 5000, 16_384];
const BULK_SIZES = [70_000, 300_000, 1_000_000];
const BULK_EVERY = 20;
/** Of the wished time: where a run ends that has not reached its number of tunnels. */
const MAX_OVERTIME = 3;
const PARALLEL = 16;
const LOOK_MS = 20;
/** A tunnel that is not over by then is not waited for. */
const MAX_LOOKS = 500;
/** A collection that also gives committed pages of the heap back. */
const LAST_RESORT = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const;
const HOST = '127.0.0.1';

/** What V8 is told where code is to be fixed: nothing gets better code from then on, and nothing forgets the one it has. */
const FIX_CODE = ['--no-opt', '--no-maglev', '--no-sparkplug', '--no-flush-bytecode'];

const [engineName, secondsText = '20', tunnelsText = '0', rotateText = '5', compileText = '0'] = process.argv.slice(2);
const engine = BYTE_ENGINE_WISHES.find((name) => name === engineName) ?? 'auto';
const choice = chooseByteEngine(engine);
if (choice.engine.name !== engineName) throw new Error(`engine ${engineName} cannot be used: ${choice.reason}`);
const warnings: string[] = [];
process.on('warning', (warning) => warnings.push(warning.message));

const ca = testCa();
const issue = async (): Promise<ReturnType<typeof createTlsContext>> =>
  createTlsContext(await ca.issue(ca.identity('soak', 'proxy')));
let context = await issue();
// Remembers few chains, so that it is full before memory is looked at: it keeps some KB of each rotated certificate.
const roots = createTrustStore({ rootsPem: ca.rootPem, cacheSize: 4 });
const verifyClient = createPeerVerifier({ roots, peerRole: 'server' });
let handshakes = 0;

const server = createHboneServer({
  tls: () => context,
  verifyPeer: createPeerVerifier({ roots, peerRole: 'client' }),
  onTunnel: (request: TunnelRequest) => echo(request.accept()),
  log,
});
const listener = await listenIn(hostDomain, { port: 0, address: HOST }, { onConnection: (e) => server.accept(e) });
const pool = createHbonePool({
  log,
  dial: async () => {
    handshakes += 1;
    const socket = await connect(hostDomain, { host: HOST, port: listener.address.port });
    return secureClient(socket, context, { verifyPeer: verifyClient });
  },
});
const key = { source: 'soak', destination: `${HOST}:${listener.address.port}`, expected: ['soak'] };

/** Passes what it gets on to its own writer, block by block, without a copy. */
function echo(endpoint: Endpoint): void {
  let isBlocked = false;
  const pump = (): void => {
    while (!isBlocked) {
      const region = endpoint.read();
      if (region === AGAIN) return;
      if (region === EOF) return endpoint.shutdownWrite();
      isBlocked = endpoint.write([region]) === 'pending';
    }
  };
  endpoint.onReadable = pump;
  endpoint.onWritable = () => {
    isBlocked = false;
    pump();
  };
  pump();
}

let tunnels = 0;
let bytes = 0;
let wrong = 0;
let firstProblem: string | undefined;

function sizeOf(index: number): number {
  const sizes = index % BULK_EVERY === 0 ? BULK_SIZES : SMALL_SIZES;
  const turn = index % BULK_EVERY === 0 ? index / BULK_EVERY : index;
  return sizes[turn % sizes.length] as number;
}

async function oneTunnel(index: number): Promise<void> {
  const tunnel = await pool.open(key, { authority: '10.0.0.1:80', headers: { baggage: `n=${index % 50}` } });
  tunnels += 1;
  const size = sizeOf(index);
  const payload = Buffer.alloc(size);
  for (let at = 0; at < size; at += 997) payload[at] = (at + index) & 255;
  if (index % 10 === 3) {
    tunnel.write([Region.of(payload)]);
    tunnel.destroy(new Error('given up'));
    return;
  }
  // A tunnel that is lost never reads an end: it says so when it closes.
  const lost = closed(tunnel).then((error) => {
    if (error !== undefined) throw error;
    return undefined;
  });
  const back = await Promise.race([
    exchange(tunnel, payload, index),
    lost.then(async () => new Promise<never>(() => {})),
  ]);
  bytes += 2 * size;
  const hash = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
  if (hash(back) === hash(payload)) return;
  wrong += 1;
  firstProblem ??= `tunnel ${index}: ${back.length} of ${size} bytes came back`;
}

async function exchange(tunnel: Endpoint, payload: Buffer, index: number): Promise<Buffer> {
  const answer = collect(tunnel);
  await writeAll(tunnel, payload, 700 + (index % 7) * 13_000);
  tunnel.shutdownWrite();
  return answer;
}

const seconds = Number(secondsText);
const started = performance.now();
const isOver = (): boolean => {
  const elapsed = (performance.now() - started) / 1000;
  return elapsed > seconds && (tunnels >= Number(tunnelsText) || elapsed > MAX_OVERTIME * seconds);
};
let next = 0;
/** While somebody measures, no tunnel is opened. */
let measured: Promise<void> | undefined;
let working = PARALLEL;

async function worker(): Promise<void> {
  while (!isOver()) {
    working -= 1;
    await measured;
    working += 1;
    const index = next;
    next += 1;
    await oneTunnel(index).catch((error: unknown) => {
      wrong += 1;
      firstProblem ??= `tunnel ${index}: ${String(error)}`;
    });
  }
  working -= 1;
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;
const before = descriptors();
let rotations = 0;
async function rotate(): Promise<void> {
  context = await issue();
  rotations += 1;
  pool.forget(() => true);
}

interface Sample extends Readonly<Record<Measure, number>> {
  readonly minutes: number;
  /** Before or after the middle between two rotations: what a rotation left is gone in one of them only. */
  readonly phase: number;
}

const samples: Sample[] = [];
let fixedAtMinutes: number | undefined;
// What is measured while nothing is open is what stays, not what a connection happens to hold: the buffers of node:tls are some hundred KB
// more or less, by what it carried last. Away from the rotations there is one certificate, whichever was the last.
async function sample(): Promise<void> {
  await until(() => working === 0);
  pool.forget(() => true);
  await until(() => server.connections + pool.stats().connections === 0);
  for (let round = 0; round < 2; round += 1) {
    (globalThis.gc as ((options: typeof LAST_RESORT) => void) | undefined)?.(LAST_RESORT);
    giveBackFreeMemory();
    await sleep(LOOK_MS);
  }
  const minutes = (performance.now() - started) / 60_000;
  const sampled = { minutes, phase: quarters % 4, ...measureNow() };
  samples.push(sampled);
  const figures = MEASURES.map((measure) => `${measure} ${Math.round(sampled[measure])}`);
  process.stderr.write(`${engineName}: ${minutes.toFixed(1)} min, ${tunnels} tunnels, KB: ${figures.join(', ')}\n`);
  if (fixedAtMinutes === undefined && Number(compileText) > 0 && minutes * 60 > Number(compileText)) {
    fixedAtMinutes = minutes;
    for (const flag of FIX_CODE) v8.setFlagsFromString(flag);
  }
}

/** Looks again and again, not for ever. */
async function until(isSo: () => boolean): Promise<void> {
  for (let look = 0; !isSo() && look < MAX_LOOKS; look += 1) await sleep(LOOK_MS);
}

function measureNow(): Readonly<Record<Measure, number>> {
  const resident = residentKb();
  const { code, heap, arenas, other } = resident;
  const spaces = v8.getHeapSpaceStatistics();
  const used = (isCode: boolean): number => {
    const wanted = spaces.filter(({ space_name: name }) => name.startsWith('code_') === isCode);
    return wanted.reduce((sum, { space_used_size: bytes }) => sum + bytes / 1024, 0);
  };
  return {
    ...resident,
    anonymous: code + heap + arenas + other,
    objects: used(false),
    machineCode: used(true),
    allocated: (allocatedBytes() ?? Number.NaN) / 1024,
  };
}

let quarters = 0;
const turning = setInterval(
  () => {
    quarters += 1;
    if (quarters % 4 === 0) rotate().catch((error: Error) => (firstProblem ??= error.message));
    else if (quarters % 2 === 1) measured ??= sample().finally(() => (measured = undefined));
  },
  (Number(rotateText) * 1000) / 4,
);

await Promise.all(Array.from({ length: PARALLEL }, worker));
clearInterval(turning);
const elapsed = (performance.now() - started) / 1000;
pool.close();
server.close();
await Promise.all([pool.closed, server.closed]);
// What was closed a moment ago lets go of descriptors and blocks when its last bytes have left.
const lent = (): number => fullBlocks.lent + smallBlocks.lent;
for (let look = 0; look < 60 && (descriptors() > before || lent() > 0); look += 1) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
globalThis.gc?.();
const fixed = samples.filter(({ minutes }) => fixedAtMinutes !== undefined && minutes > fixedAtMinutes);
const judged = fixed.length > 0 ? fixed : samples.slice(samples.length >> 1);
const compiling = samples.filter(({ minutes }) => minutes <= (fixedAtMinutes ?? 0));
const result: SoakResult = {
  engine: choice.engine.name,
  seconds: Math.round(elapsed),
  tunnels,
  handshakes,
  rotations,
  bytes,
  wrong,
  firstProblem,
  warnings,
  anonymousKb: [Math.round(judged[0]?.anonymous ?? 0), Math.round(judged.at(-1)?.anonymous ?? 0)],
  slopes: slopesOf(judged),
  slopesWhileCompiling: fixedAtMinutes === undefined ? undefined : slopesOf(compiling.slice(compiling.length >> 1)),
  descriptors: [before, descriptors()],
  lentBlocks: lent(),
};
listener.close();
process.stdout.write(`${JSON.stringify(result)}\n`);

function slopesOf(some: readonly Sample[]): Readonly<Record<Measure, Slope>> {
  const phases = Map.groupBy(some, ({ phase }) => phase);
  const lines = MEASURES.map((measure) => {
    const groups = [...phases.values()].map((group) => group.map((each): Point => [each.minutes, each[measure]]));
    return [measure, slopeOf(groups)];
  });
  return Object.fromEntries(lines) as Record<Measure, Slope>;
}

type Point = readonly [x: number, y: number];

/** Least squares: one slope for all groups, a height for each. */
function slopeOf(groups: readonly (readonly Point[])[]): Slope {
  const points = groups.flatMap((group) => {
    const meanX = group.reduce((sum, [x]) => sum + x, 0) / group.length;
    const meanY = group.reduce((sum, [, y]) => sum + y, 0) / group.length;
    return group.map(([x, y]): Point => [x - meanX, y - meanY]);
  });
  const variance = points.reduce((sum, [x]) => sum + x ** 2, 0);
  const slope = points.reduce((sum, [x, y]) => sum + x * y, 0) / variance;
  const residual = points.reduce((sum, [x, y]) => sum + (y - slope * x) ** 2, 0);
  const freedom = points.length - groups.length - 1;
  return {
    kbPerMinute: Math.round(slope * 100) / 100,
    standardError: Math.round(100 * Math.sqrt(residual / freedom / variance)) / 100,
  };
}
