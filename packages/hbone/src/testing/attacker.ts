// The attacker: a TLS connection of its own with a valid certificate, and the loop that sends an attack until it is cut off.
// In: where, as whom, which attack. Out: how it ended and how many bytes it took. The caller destroys the socket.
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { type Attack, attackOpening } from './attacks.ts';
import type { BenchCertificate } from './tunnel-bench.ts';

/** What an attacker may send before it must have been cut off. */
const MAX_SENT_BYTES = 32 * 1024 * 1024;
const DEADLINE_MS = 60_000;

/** The attacker's address: not that of anybody else. */
const ATTACKER_ADDRESS = '127.0.0.2';

/** Connects, proves who it is, and sends what opens every attack. */
export async function connectAttacker(port: number, certificate: BenchCertificate): Promise<TLSSocket> {
  const socket = tlsConnect({
    socket: connect({ host: '127.0.0.1', port, localAddress: ATTACKER_ADDRESS }),
    cert: certificate.certChainPem,
    key: certificate.privateKeyPem,
    ca: certificate.rootsPem,
    ALPNProtocols: ['h2'],
    checkServerIdentity: () => undefined,
  });
  // What it makes of being cut off is its own affair.
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(DEADLINE_MS) });
  // It reads nothing away: answers must not pile up with us either.
  socket.resume();
  socket.write(attackOpening());
  return socket;
}

/**
 * Sends until the connection ended or there is no more to send; the number of bytes that went out. Throws
 * when an attack that must end lives on for a minute.
 */
export async function runAttack(
  attack: Attack,
  socket: TLSSocket,
): Promise<{ readonly hasEnded: boolean; readonly sent: number }> {
  const ended = new Promise<void>((resolve) => socket.once('close', resolve).once('end', resolve));
  let hasEnded = false;
  void ended.then(() => (hasEnded = true));
  let sent = 0;
  for (let index = 0; !hasEnded && sent < MAX_SENT_BYTES; index += 1) {
    const bytes = attack.portion(index);
    if (bytes === undefined) break;
    sent += bytes.length;
    const isTaken = socket.write(bytes);
    if (!isTaken) await Promise.race([once(socket, 'drain').catch(() => undefined), ended]);
    else await new Promise((resolve) => setImmediate(resolve));
  }
  if (attack.outcome === 'ends') {
    const late = new Promise<void>((_, reject) => {
      setTimeout(
        () => reject(new Error(`${attack.name}: the connection lives on after ${sent} bytes`)),
        DEADLINE_MS,
      ).unref();
    });
    await Promise.race([ended, late]);
  }
  return { hasEnded, sent };
}
