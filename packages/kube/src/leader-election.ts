// One leader among several replicas, by a Lease or a ConfigMap. In: a client and a name. Out: calls when leadership is won and lost.
// Called by the control plane for its writers; main thread. The holder renews; when it cannot, it stops before others may start.
import { sleep } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';
import { leaderLock, type LeaderLockKind, type LeaderRecord } from './leader-lock.ts';

/** Settings of {@link startLeaderElection}. */
export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the object that is the lock. */
  readonly name: string;
  /** Kind of that object. Default a Lease. */
  readonly kind?: LeaderLockKind;
  /** Written beside the holder; others compare by it whether they come first. Default empty: nothing. */
  readonly key?: string;
  /** Whether we come before a holder with this key; asked at every look. Default: never. */
  readonly comesBefore?: (holderKey: string) => boolean;
  /** Who we are; unique per process (pod name). */
  readonly identity: string;
  /** Runs while we lead; `signal` aborts when leadership is lost or given up. */
  readonly onLead: (signal: AbortSignal) => void;
  readonly log: Logger;
  /** How long a lease holds without renewal. Default 15 000. */
  readonly leaseMs?: number;
  /** Pause between renewals. Default 3 000. */
  readonly renewMs?: number;
  /** A lock that was taken from another holder leads only so long after: by then that one has noticed. Default 8 000 (upstream looks every 7.5 s). */
  readonly noticeMs?: number;
}

/** A candidate. */
export interface LeaderElection {
  readonly isLeader: boolean;
  /** Gives leadership up, releases the lease, and stops; idempotent. */
  close(): Promise<void>;
}

/** Competes for a lease until closed. */
export function startLeaderElection(options: LeaderElectionOptions): LeaderElection {
  const { client, namespace, name, identity, onLead, log, comesBefore = () => false } = options;
  const { leaseMs = 15_000, renewMs = 3_000, noticeMs = 8_000 } = options;
  const stop = new AbortController();
  let term: AbortController | undefined;
  let renewedAt = 0;
  let mine: LeaderRecord | undefined;
  let leadsFrom = 0;
  const lock = leaderLock({ client, kind: options.kind ?? 'Lease', namespace, name, key: options.key ?? '' });
  // A foreign lock counts as expired when it has not changed for its duration by OUR clock: clocks of nodes differ.
  let seen = { version: '', at: 0 };

  const renew = async (held: LeaderRecord | undefined): Promise<boolean> => {
    mine = undefined;
    mine = await lock.write(identity, leaseMs, held);
    return true;
  };
  const renewed = async (held: LeaderRecord): Promise<boolean> => {
    try {
      return await renew(held);
    } catch (error) {
      if (KubeError.is(error, 'ERR_KUBE_CONFLICT')) return false;
      throw error;
    }
  };
  const tryOnce = async (): Promise<boolean> => {
    // The holder knows its lock: one write per renewal. A conflict means that somebody else wrote it: who, must be known at once.
    if (mine !== undefined && (await renewed(mine))) return true;
    const before = await lock.read();
    if (before === undefined) return renew(undefined);
    const version = before.object.metadata?.resourceVersion ?? '';
    if (seen.version !== version) seen = { version, at: Date.now() };
    const { holder, heldMs } = before;
    const isHeld = holder !== '' && holder !== identity && Date.now() - seen.at < heldMs;
    if (isHeld && !comesBefore(before.key)) return false;
    await renew(before);
    if (isHeld) {
      leadsFrom = Date.now() + noticeMs;
      log.info('lock taken from another holder, leading when it has noticed', { lease: name, holder, key: before.key });
    }
    return true;
  };

  const settle = (leads: boolean): void => {
    if (leads && term === undefined) {
      log.info('leader election won', { lease: name, identity });
      term = new AbortController();
      onLead(term.signal);
    }
    if (!leads && term !== undefined) {
      log.warn('leader election lost', { lease: name, identity });
      term.abort(new KubeError('ERR_KUBE_CONFLICT', `lost lease ${name}`));
      term = undefined;
    }
  };

  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        const holds = await tryOnce();
        if (holds) renewedAt = Date.now();
        settle(holds && Date.now() >= leadsFrom);
      } catch (error) {
        if (!KubeError.is(error, 'ERR_KUBE_CONFLICT', 'ERR_KUBE_ALREADY_EXISTS')) {
          log.debug('lease not renewed', { lease: name, error: messageOf(error) });
        }
        // Another replica may take over when the lease ends: stop well before.
        if (Date.now() - renewedAt > leaseMs - 2 * renewMs) settle(false);
      }
      await sleep(renewMs * (0.8 + Math.random() * 0.4), { signal: stop.signal }).catch(() => {});
    }
  };
  const running = run();

  return {
    get isLeader() {
      return term !== undefined;
    },
    async close() {
      if (stop.signal.aborted) return;
      stop.abort();
      await running;
      const wasHolder = term !== undefined || mine !== undefined;
      settle(false);
      if (!wasHolder) return;
      try {
        const held = await lock.read();
        if (held?.holder === identity) await lock.write('', leaseMs, held);
      } catch (error) {
        log.debug('lease not released', { lease: name, error: messageOf(error) });
      }
    },
  };
}
