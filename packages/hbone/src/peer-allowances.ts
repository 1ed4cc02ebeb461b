// What a peer has left of its allowance when its connection ends, for its next one: being cut off must not be a way to begin anew with a full
// bucket. In: peers that come and go. Out: their buckets. Pure but for the clock it is given, bounded. Owned by the server. Data threads.
import { createHash } from 'node:crypto';
import type { SecureEndpoint } from '@ambit/net';
import { createResetLimiter, type ResetLimiter } from './reset-limiter.ts';
import type { HboneLimits } from './tunnel.ts';

/** Peers that are remembered; a bucket is forgotten once it is full again, after seconds. */
const REMEMBERED = 1024;

/** The buckets of one connection. Connections of a peer at the same time have buckets of their own. */
export interface Allowance {
  /** Streams that the peer resets before they were answered. */
  readonly resets: ResetLimiter;
  /** Streams that we reset for what the peer did on them. */
  readonly broken: ResetLimiter;
}

/** Full buckets. */
export function createAllowance({ earlyResetBurst, earlyResetPerSecond }: HboneLimits): Allowance {
  const bucket = (): ResetLimiter => createResetLimiter(earlyResetBurst, earlyResetPerSecond);
  return { resets: bucket(), broken: bucket() };
}

/** The buckets of peers that left. */
export class PeerAllowances {
  readonly #limits: HboneLimits;
  readonly #left = new Map<string, Allowance>();

  constructor(limits: HboneLimits) {
    this.#limits = limits;
  }

  /** For a new connection: what the peer left, else full ones. */
  take(peer: string): Allowance {
    return this.#left.get(peer) ?? createAllowance(this.#limits);
  }

  /** A connection is over. */
  leave(peer: string, allowance: Allowance, nowMs: number): void {
    this.#left.delete(peer);
    if (!isFull(allowance, nowMs)) this.#left.set(peer, allowance);
    for (const [oldest, its] of this.#left) {
      if (this.#left.size <= REMEMBERED && !isFull(its, nowMs)) return;
      this.#left.delete(oldest);
    }
  }

  /** How many are remembered. */
  get size(): number {
    return this.#left.size;
  }
}

/** Who is at the other end, as far as allowances go: an address with a certificate. */
export function allowanceKey(endpoint: SecureEndpoint): string {
  const hash = createHash('sha256');
  const [leaf] = endpoint.peerDer();
  if (leaf !== undefined) hash.update(leaf);
  return `${endpoint.remote?.ip ?? ''} ${hash.digest('latin1')}`;
}

function isFull({ resets, broken }: Allowance, nowMs: number): boolean {
  return resets.isFull(nowMs) && broken.isFull(nowMs);
}
