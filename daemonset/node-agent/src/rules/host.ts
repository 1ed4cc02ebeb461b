// In: addresses of enrolled pods. Out: node probes reach them uncaptured. Step 9 of path 5. Called by enrol/sequence.ts, enrol/drift.ts
// and app.ts. Source: spec node-agent 4.1 to 4.3; gaps G3 (one owner per address) and G4 (no moment without the exemptions).
import type { Logger } from '@ambit/runtime/log';
import type { BranchInterfaces } from './branch-interfaces.ts';
import type { HostBackend } from './host-backend.ts';
import { ownersPrinted } from './owners-printed.ts';

/** Keeps the probe exemption of this node. One owner per address: the pod that got it last. Every change writes everything, at once. */
export class HostRules {
  readonly #backend: HostBackend;
  readonly #log: Logger;
  readonly #branches: BranchInterfaces | undefined;
  #owners: ReadonlyMap<string, string> = new Map();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #printed: string | undefined;
  #writes = 0;
  /** The last write succeeded. */
  #isWritten = false;

  /** `branches`: the node may have pods with interfaces of their own, whose probes need rules besides. */
  constructor(backend: HostBackend, log: Logger, branches?: BranchInterfaces) {
    this.#backend = backend;
    this.#log = log;
    this.#branches = branches;
  }

  /** Addresses that an earlier agent left exempt (address -> pod UID). */
  async left(): Promise<ReadonlyMap<string, string>> {
    return ownersPrinted(await this.#backend.print());
  }

  /** Makes rules and addresses exactly these (address -> pod UID). What an earlier agent left and nobody owns is gone afterwards. */
  async reset(owners: ReadonlyMap<string, string>): Promise<void> {
    this.#owners = new Map(owners);
    await this.#write();
  }

  /** Exempts the probes to these addresses, which now belong to this pod; others that it had are given up. */
  async set(uid: string, ips: readonly string[]): Promise<void> {
    const kept = [...this.#owners].filter(([ip, owner]) => owner !== uid || ips.includes(ip));
    const next = new Map([...kept, ...ips.map((ip) => [ip, uid] as const)]);
    // A pod that is enrolled once more changes nothing here, and must not hide what others changed.
    const isSame = next.size === this.#owners.size && [...next].every(([ip, owner]) => this.#owners.get(ip) === owner);
    this.#owners = next;
    if (!isSame || !this.#isWritten) await this.#write();
  }

  /** Ends the exemption of the addresses that still belong to this pod; those with a new owner stay. */
  async remove(uid: string): Promise<void> {
    const kept = [...this.#owners].filter(([, owner]) => owner !== uid);
    if (kept.length === this.#owners.size) return;
    this.#owners = new Map(kept);
    await this.#write();
  }

  /** Puts back what others have changed. Returns whether there was something to put back. */
  async repair(): Promise<boolean> {
    await this.#running.catch(() => undefined);
    const known = this.#printed;
    const before = this.#writes;
    const now = await this.#backend.print();
    if (this.#writes !== before || known === now) return false;
    await this.#write();
    const after = this.#writes;
    const printed = await this.#backend.print();
    if (this.#writes === after) this.#printed = printed;
    // Without an earlier print this is the first look after a change of our own: the kernel's text is compared with a fresh one.
    return printed !== now;
  }

  /** Removes everything this class made. */
  async uninstall(): Promise<void> {
    await this.#running.catch(() => undefined);
    await this.#backend.clear();
    await this.#branches?.follow(new Set());
    this.#log.info('host rules removed');
  }

  /** One write at a time; whoever comes meanwhile shares the next one, which reads the owners when it starts. */
  async #write(): Promise<void> {
    this.#printed = undefined;
    this.#writes += 1;
    if (this.#next !== undefined) return this.#next;
    const start = async (): Promise<void> => {
      this.#next = undefined;
      this.#isWritten = false;
      await this.#backend.write(this.#owners);
      this.#isWritten = true;
      await this.#branches?.follow(new Set(this.#owners.keys()));
    };
    this.#next = this.#running.then(start, start);
    this.#running = this.#next;
    return this.#next;
  }
}
