// One attack as a process, so that its CPU is nobody else's: `<identity.json> <hbone port> <number of the attack>`. One JSON order per line
// on standard input, one JSON answer per line on standard output. Started by suite.ts, which ends it.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { attacks, type BenchCertificate, connectAttacker, runAttack } from '@ambit/hbone/testing';

/** `connect` before `attack`; an attack that may live on holds its connection until the process is ended. */
export type AttackOrder = 'connect' | 'attack';

/** What an order took. */
export interface AttackAnswer {
  readonly hasEnded: boolean;
  readonly sent: number;
  /** CPU seconds of the attacker, from its first byte on. */
  readonly cpuSeconds: number;
  readonly elapsedMs: number;
  readonly error?: string;
}

const [identityFile = '', port = '', number = ''] = process.argv.slice(2);
const identity = JSON.parse(readFileSync(identityFile, 'utf8')) as BenchCertificate;
const attack = attacks[Number(number)];
if (attack === undefined) throw new Error(`there is no attack ${number}`);
const connection = Promise.withResolvers<Awaited<ReturnType<typeof connectAttacker>>>();

async function answer(order: AttackOrder): Promise<Pick<AttackAnswer, 'hasEnded' | 'sent'>> {
  if (order === 'attack') return runAttack(attack as NonNullable<typeof attack>, await connection.promise);
  connection.resolve(await connectAttacker(Number(port), identity));
  return { hasEnded: false, sent: 0 };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [cpu, started] = [process.cpuUsage(), performance.now()];
  const result = await answer(JSON.parse(line) as AttackOrder).catch((error: unknown) => ({ error: String(error) }));
  const { user, system } = process.cpuUsage(cpu);
  const spent = { cpuSeconds: (user + system) / 1e6, elapsedMs: performance.now() - started };
  process.stdout.write(`${JSON.stringify({ ...result, ...spent })}\n`);
}
