// Outstanding PINGs of one connection, answered in order. Used by both sessions of this folder, and by those of the waypoint, through
// keepalive.ts.
import { connectionLost } from '../errors.ts';
import type { Pingable } from '../keepalive.ts';
import type { FramedTransport } from './transport.ts';

/** PINGs over a transport. */
export class Pings implements Pingable {
  destroyed = false;
  readonly #transport: FramedTransport;
  readonly #waiting = new Map<number, (error: Error | null) => void>();
  #next = 1;

  constructor(transport: FramedTransport) {
    this.#transport = transport;
  }

  ping(onAnswer: (error: Error | null) => void): boolean {
    if (this.destroyed) return false;
    const payload = this.#next;
    this.#next = (this.#next + 1) % 2 ** 31;
    this.#waiting.set(payload, onAnswer);
    this.#transport.connection.ping(payload);
    this.#transport.flushSoon();
    return true;
  }

  takeHeard(): boolean {
    return this.#transport.takeHeard();
  }

  /** An answer came; one that nobody asked for is ignored. */
  onPong(payload: number): void {
    const onAnswer = this.#waiting.get(payload);
    this.#waiting.delete(payload);
    onAnswer?.(null);
  }

  /** No answer will come any more. */
  end(): void {
    this.destroyed = true;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const onAnswer of waiting) onAnswer(connectionLost(this.#transport.peerName, undefined));
  }
}
