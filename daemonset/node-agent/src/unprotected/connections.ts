// In: what is open in a pod when its rules are made, and later. Out: which connections from before are still open. Called by enrol/, publish.ts
// and routes.ts; decisions W19. Main thread.
import type { TableConnection } from './table.ts';
import type { UnprotectedRecord } from './record.ts';

interface Known {
  /** Inode of the namespace in which they are; undefined in loopback capture. */
  readonly netns: bigint | undefined;
  /** True once the rules are there: what is opened from then on is carried. */
  readonly isSettled: boolean;
  readonly open: ReadonlyMap<string, TableConnection>;
}

const byKey = (connections: readonly TableConnection[]): ReadonlyMap<string, TableConnection> =>
  new Map(connections.map((connection) => [connection.key, connection]));

/** Two ways to look into a pod; each costs milliseconds where much is open. */
export interface LookIntoPod {
  /** Everything that is established. */
  readonly connections: () => readonly TableConnection[];
  /** Of that, what no node proxy carries. */
  readonly uncarried: () => readonly TableConnection[];
}

/** Where the next agent finds what this one knows. */
export type ConnectionRecord = Pick<UnprotectedRecord, 'read' | 'write' | 'remove'>;

/** Remembers, per pod, the connections that were open when it was enrolled. */
export class UnprotectedConnections {
  readonly #pods = new Map<string, Known>();
  readonly #record: ConnectionRecord | undefined;

  /** `record`: without one a successor finds out from the tables of the pods. */
  constructor(record?: ConnectionRecord) {
    this.#record = record;
  }

  /**
   * Called before rules are made. What this agent or the one before knows of this namespace stays; in another one the pod's tables tell.
   */
  begin(uid: string, netns: bigint | undefined, look: LookIntoPod): void {
    const known = this.#pods.get(uid);
    if (known?.isSettled === true && known.netns === netns) return;
    const recorded = netns === undefined ? undefined : this.#record?.read(uid, netns);
    if (recorded === undefined) {
      this.#pods.set(uid, { netns, isSettled: false, open: byKey(look.uncarried()) });
      return;
    }
    this.#pods.set(uid, { netns, isSettled: true, open: byKey(recorded) });
    this.refresh(uid, look.connections());
  }

  /** The rules are there. */
  settle(uid: string): void {
    const known = this.#pods.get(uid);
    if (known === undefined) return;
    this.#pods.set(uid, { ...known, isSettled: true });
    this.#write(uid);
  }

  /** Somebody took the rules away: connections may have been opened since that nobody carries. The next {@link begin} looks. */
  unsettle(uid: string): void {
    const known = this.#pods.get(uid);
    if (known === undefined) return;
    this.#pods.set(uid, { ...known, isSettled: false });
    this.#record?.remove(uid);
  }

  /** Forgets those that have ended. Returns how many are left; 0 for pods that are not known. */
  refresh(uid: string, connections: readonly TableConnection[]): number {
    const known = this.#pods.get(uid);
    if (known === undefined) return 0;
    const now = byKey(connections);
    const left = new Map<string, TableConnection>();
    for (const [key, { socket }] of known.open) {
      const current = now.get(key);
      // A socket gets its number when it is accepted; before, the addresses are all there is to go by.
      if (current !== undefined && (socket === '0' || socket === current.socket)) left.set(key, current);
    }
    this.#pods.set(uid, { ...known, open: left });
    if (left.size < known.open.size) this.#write(uid);
    return left.size;
  }

  /** Those of a pod as of the last refresh. */
  of(uid: string): readonly TableConnection[] {
    return [...(this.#pods.get(uid)?.open.values() ?? [])];
  }

  /** Number of a pod as of the last refresh. */
  count(uid: string): number {
    return this.#pods.get(uid)?.open.size ?? 0;
  }

  /** Number over all pods. */
  total(): number {
    return [...this.#pods.values()].reduce((sum, { open }) => sum + open.size, 0);
  }

  forget(uid: string): void {
    this.#pods.delete(uid);
    this.#record?.remove(uid);
  }

  /** Before the rules are there nothing is written: what a successor would read would leave out what is opened meanwhile. */
  #write(uid: string): void {
    const known = this.#pods.get(uid);
    if (known?.isSettled === true && known.netns !== undefined)
      this.#record?.write(uid, known.netns, [...known.open.values()]);
  }
}
