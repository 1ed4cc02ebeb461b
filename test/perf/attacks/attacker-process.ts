// One attack as a process, so that its CPU is nobody else's: `<identity.json> <hbone port> <number of the attack>`. One JSON order per line
// on standard input, one JSON answer per line on standard output. Started by suite.ts, which ends it.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { attacks, type BenchCertificate, connectAttacker, runAttack } from '@ambit/hbone/testing';

/**
 * `once`: connects and attacks; what may live on is left. `again`: the same again and again for a span, which is what somebody does who means
 * it: being cut off costs him a handshake. `burn`: as busy as an attacker, and talks to nobody.
 */
export interface AttackOrder {
  readonly kind: 'once' | 'again' | 'burn';
  readonly ms: number;
}

/** What an order took. */
export interface AttackAnswer {
  readonly hasEnded: boolean;
  readonly sent: number;
  readonly connections: number;
  /** CPU seconds of the attacker. */
  readonly cpuSeconds: number;
  readonly elapsedMs: number;
  readonly error?: string;
}

type Found = Pick<AttackAnswer, 'hasEnded' | 'sent' | 'connections'>;

const BURN_STEP_MS = 5;

const [identityFile = '', port = '', number = ''] = process.argv.slice(2);
const identity = JSON.parse(readFileSync(identityFile, 'utf8')) as BenchCertificate;
const attack = attacks[Number(number)];

async function once(): Promise<Found> {
  if (attack === undefined) throw new Error(`there is no attack ${number}`);
  const socket = await connectAttacker(Number(port), identity);
  try {
    return { ...(await runAttack(attack, socket)), connections: 1 };
  } finally {
    socket.destroy();
  }
}

async function again(ms: number): Promise<Found> {
  const until = performance.now() + ms;
  let total: Found = { hasEnded: true, sent: 0, connections: 0 };
  while (performance.now() < until) {
    const { hasEnded, sent } = await once();
    total = { hasEnded, sent: total.sent + sent, connections: total.connections + 1 };
  }
  return total;
}

async function burn(ms: number): Promise<Found> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    for (const step = performance.now() + BURN_STEP_MS; performance.now() < step;);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { hasEnded: true, sent: 0, connections: 0 };
}

const kinds = { once, again, burn } satisfies Record<AttackOrder['kind'], (ms: number) => Promise<Found>>;

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, ms } = JSON.parse(line) as AttackOrder;
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  const result = await kinds[kind](ms).catch((error: unknown) => ({ error: String(error) }));
  const { user, system } = process.cpuUsage(cpu);
  const spent = { cpuSeconds: (user + system) / 1e6, elapsedMs: performance.now() - started };
  process.stdout.write(`${JSON.stringify({ ...result, ...spent })}\n`);
}
