// How peers behaved, by the address they come from: whoever was cut off for breaking the rules of HTTP/2 and comes again at once costs a TLS
// handshake each time, a few milliseconds in which everybody else of the thread waits. In: sessions that begin and end. Out: how long a new
// connection has to wait before it is looked at. Pure but for the time it is given, bounded. Owned by the server. Data threads.
import type { HboneLimits } from './tunnel.ts';

/** An address is watched for this long after its last offence, ms. */
const WATCHED_MS = 10_000;
/** Handshakes that would have to wait longer than this are refused, ms. */
const MAX_WAIT_MS = 5000;
/** Addresses that are watched at most; the one whose offence is the longest ago is forgotten. */
const MAX_WATCHED = 1024;

interface Offender {
  /** Whose offence it was, as `sessionEnded` was told. */
  readonly peer: string;
  readonly untilMs: number;
  /** When a handshake would be due if nothing could be saved up. */
  dueMs: number;
}

/** The conduct of every address that connections come from. */
export class SourceConduct {
  readonly #burst: number;
  readonly #intervalMs: number;
  readonly #offenders = new Map<string, Offender>();
  /** Who is connected from where, and how often. */
  readonly #peers = new Map<string, Map<string, number>>();

  constructor({ offenderHandshakeBurst, offenderHandshakesPerSecond }: HboneLimits) {
    this.#burst = offenderHandshakeBurst;
    this.#intervalMs = 1000 / offenderHandshakesPerSecond;
  }

  /** How many addresses are watched. */
  get watched(): number {
    return this.#offenders.size;
  }

  /** A handshake went well. `peer` tells certificates apart. */
  sessionBegan(source: string, peer: string): void {
    let peers = this.#peers.get(source);
    if (peers === undefined) this.#peers.set(source, (peers = new Map()));
    peers.set(peer, (peers.get(peer) ?? 0) + 1);
  }

  /** Its end; true when the address is watched from now on and was not before. */
  sessionEnded(source: string, peer: string, wasOffence: boolean, nowMs: number): boolean {
    const peers = this.#peers.get(source);
    const left = (peers?.get(peer) ?? 1) - 1;
    if (left > 0) peers?.set(peer, left);
    else if (peers?.delete(peer) === true && peers.size === 0) this.#peers.delete(source);
    return wasOffence && this.#watch(source, peer, nowMs);
  }

  /**
   * Ms that a new connection of this address waits for its handshake, 0 for almost everybody; undefined = refuse it. An address that somebody
   * else is connected from as well (a gateway, a node) is not slowed: he would pay for it.
   */
  waitMs(source: string, nowMs: number): number | undefined {
    const offender = this.#offenders.get(source);
    if (offender === undefined || this.#isShared(source, offender.peer)) return 0;
    if (nowMs >= offender.untilMs) {
      this.#offenders.delete(source);
      return 0;
    }
    const dueMs = Math.max(offender.dueMs, nowMs - (this.#burst - 1) * this.#intervalMs);
    const waitMs = Math.max(0, dueMs - nowMs);
    if (waitMs > MAX_WAIT_MS) return undefined;
    offender.dueMs = dueMs + this.#intervalMs;
    return waitMs;
  }

  #isShared(source: string, offender: string): boolean {
    for (const peer of this.#peers.get(source)?.keys() ?? []) if (peer !== offender) return true;
    return false;
  }

  #watch(source: string, peer: string, nowMs: number): boolean {
    const known = this.#offenders.get(source);
    const isNew = known === undefined || nowMs >= known.untilMs;
    const dueMs = isNew ? Number.NEGATIVE_INFINITY : known.dueMs;
    this.#offenders.delete(source);
    this.#offenders.set(source, { peer, untilMs: nowMs + WATCHED_MS, dueMs });
    if (this.#offenders.size > MAX_WATCHED) {
      for (const oldest of this.#offenders.keys()) {
        this.#offenders.delete(oldest);
        break;
      }
    }
    return isNew;
  }
}
