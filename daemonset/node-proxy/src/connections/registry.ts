/**
 * Open connections of one pod on one data thread in; closes them by policy, pod removal or drain.
 *
 * `inbound/listener.ts`, `inbound/passthrough.ts` and `outbound/listener.ts` register before the first policy check, so
 * that a policy that arrives meanwhile is not missed (spec/node-proxy.md 3.7). `updates/policy-watcher.ts` asks for a
 * re-check. Runs on a data thread.
 */
import type { PeerIdentity } from '@ambit/identity';
import type { DumpedConnection } from '../threads/messages.ts';

/** One live connection. The registrant owns the sockets; `destroy` is how others end it. */
export interface RegisteredConnection<Facts> {
  /** What a policy is checked against; undefined for outbound connections, which no policy closes. */
  readonly facts: Facts | undefined;
  /** How the admin dump shows it; may change when the target is known. */
  dump: DumpedConnection;
  /** The peer of a tunnel inside a tunnel, which no pool knows; set once it is open. */
  innerPeer?: PeerIdentity;
  /** Ends the connection at once with this error as its outcome. Idempotent. */
  readonly destroy: (reason: Error) => void;
}

/** The open connections of one pod on one thread. */
export interface ConnectionRegistry<Facts> {
  readonly size: number;
  /** Adds one; disposing removes it (idempotent). */
  register(connection: RegisteredConnection<Facts>): Disposable;
  /** Ends every connection whose facts `isAllowed` refuses; returns how many. */
  recheck(isAllowed: (facts: Facts) => boolean, reason: () => Error): number;
  /** Ends every connection whose inner tunnel ends at a matching peer; returns how many. */
  destroyPeers(predicate: (peer: PeerIdentity) => boolean, reason: () => Error): number;
  /** Ends all now; returns how many. */
  destroyAll(reason: () => Error): number;
  list(): readonly DumpedConnection[];
}

/** Makes an empty registry. */
export function createConnectionRegistry<Facts>(): ConnectionRegistry<Facts> {
  const live = new Set<RegisteredConnection<Facts>>();
  const destroyWhere = (match: (connection: RegisteredConnection<Facts>) => boolean, reason: () => Error): number => {
    const doomed = [...live].filter(match);
    for (const connection of doomed) {
      live.delete(connection);
      connection.destroy(reason());
    }
    return doomed.length;
  };
  return {
    get size() {
      return live.size;
    },
    register(connection) {
      live.add(connection);
      return new Registration(live, connection);
    },
    recheck: (isAllowed, reason) => destroyWhere(({ facts }) => facts !== undefined && !isAllowed(facts), reason),
    destroyPeers: (predicate, reason) =>
      destroyWhere(({ innerPeer }) => innerPeer !== undefined && predicate(innerPeer), reason),
    destroyAll: (reason) => destroyWhere(() => true, reason),
    list: () => [...live].map((connection) => connection.dump),
  };
}

/** Takes a connection out again. A class, as a hold of the drain is: one is made per connection. */
class Registration<Facts> implements Disposable {
  readonly #live: Set<RegisteredConnection<Facts>>;
  readonly #connection: RegisteredConnection<Facts>;

  constructor(live: Set<RegisteredConnection<Facts>>, connection: RegisteredConnection<Facts>) {
    this.#live = live;
    this.#connection = connection;
  }

  [Symbol.dispose](): void {
    this.#live.delete(this.#connection);
  }
}
