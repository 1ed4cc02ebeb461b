/**
 * Kept-alive HTTP/1.1 connections by key, the one used last first (spec/waypoint.md 5.2). Used by client.ts; data thread.
 */
import type { ClientConnection, IdleEvents } from './client-connection.ts';

/** Free connections are closed before common servers close them (Node's own default is 5 s). */
const idleMs = 4000;
const sweepMs = 1000;
/** Free connections of one key. */
const maxFree = 1024;

interface Free {
  readonly connection: ClientConnection;
  readonly sinceMs: number;
}

/** Free connections of a data thread. */
export class ConnectionPool {
  readonly #free = new Map<string, Free[]>();
  readonly #sweep = setInterval(() => this.#closeIdle(performance.now() - idleMs), sweepMs).unref();
  #isClosed = false;

  /** The connection that was used last; undefined when there is none. */
  take(key: string): ClientConnection | undefined {
    const list = this.#free.get(key);
    const taken = list?.pop();
    if (list?.length === 0) this.#free.delete(key);
    return taken?.connection;
  }

  /** Takes a connection back for the next request. */
  give(key: string, connection: ClientConnection): void {
    const list = this.#free.get(key) ?? [];
    if (this.#isClosed || !connection.isUsable || list.length >= maxFree) {
      connection.close();
      return;
    }
    list.push({ connection, sinceMs: performance.now() });
    this.#free.set(key, list);
    connection.rest();
  }

  /** What a free connection has to tell: it is of no use any more. */
  idleEvents(key: string): IdleEvents {
    return {
      onIdleEnd: (connection) => {
        const list = this.#free.get(key);
        const index = list?.findIndex((free) => free.connection === connection) ?? -1;
        if (list === undefined || index === -1) return;
        list.splice(index, 1);
        if (list.length === 0) this.#free.delete(key);
      },
    };
  }

  /** Closes every free connection, and from now on every one that comes back. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#sweep);
    this.#closeIdle(Number.POSITIVE_INFINITY);
  }

  #closeIdle(beforeMs: number): void {
    for (const [key, list] of this.#free) {
      const kept = list.filter(({ connection, sinceMs }) => {
        if (sinceMs > beforeMs) return true;
        connection.close();
        return false;
      });
      if (kept.length === 0) this.#free.delete(key);
      else if (kept.length < list.length) this.#free.set(key, kept);
    }
  }
}
