// Which streams ended a moment ago, and how: frames that were on their way when we reset a stream are ordinary, frames
// on a stream that ended by itself are a mistake of the peer (RFC 9113 5.1). Pure, bounded. Used by connection.ts.

const REMEMBERED = 256;

/** The last streams that left the table. */
export class RecentStreams {
  readonly #kinds = new Map<number, 'reset' | 'closed'>();

  /** We reset it. */
  addReset(id: number): void {
    this.#add(id, 'reset');
  }

  /** The peer reset it, or both directions ended. */
  addClosed(id: number): void {
    this.#add(id, 'closed');
  }

  /** Undefined: too long ago, or never opened. */
  kindOf(id: number): 'reset' | 'closed' | undefined {
    return this.#kinds.get(id);
  }

  #add(id: number, kind: 'reset' | 'closed'): void {
    this.#kinds.set(id, kind);
    if (this.#kinds.size <= REMEMBERED) return;
    const [oldest] = this.#kinds.keys();
    if (oldest !== undefined) this.#kinds.delete(oldest);
  }
}
