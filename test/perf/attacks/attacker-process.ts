// One attack as a process, so that its CPU is nobody else's: `<identity.json> <hbone port> <number of the attack>`. Prints
// `listening <port>` when it is connected, waits for a line, attacks, and prints one JSON line. Started by suite.ts.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { attacks, type BenchCertificate, connectAttacker, runAttack } from '@ambit/hbone/testing';

/** What an attack took. */
export interface AttackAnswer {
  readonly hasEnded: boolean;
  readonly sent: number;
  /** CPU seconds of the attacker, from its first byte on. */
  readonly cpuSeconds: number;
  readonly elapsedMs: number;
}

const [identityFile = '', port = '', number = ''] = process.argv.slice(2);
const identity = JSON.parse(readFileSync(identityFile, 'utf8')) as BenchCertificate;
const attack = attacks[Number(number)];
if (attack === undefined) throw new Error(`there is no attack ${number}`);
const socket = await connectAttacker(Number(port), identity);
const orders = createInterface({ input: process.stdin });
process.stdout.write(`listening ${port}\n`);
await once(orders, 'line');
const [cpu, started] = [process.cpuUsage(), performance.now()];
const { hasEnded, sent } = await runAttack(attack, socket);
const spent = process.cpuUsage(cpu);
const answer: AttackAnswer = {
  hasEnded,
  sent,
  cpuSeconds: (spent.user + spent.system) / 1e6,
  elapsedMs: performance.now() - started,
};
process.stdout.write(`${JSON.stringify(answer)}\n`);
// An attack that may live on holds its connection until it is told that the measurement is over.
await once(orders, 'close');
socket.destroy();
