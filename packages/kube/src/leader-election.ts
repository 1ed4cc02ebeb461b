// One leader among several replicas, by a Lease. In: a client and a name. Out: calls when leadership is won and lost.
// Called by the control plane for its writers; main thread. The holder renews; when it cannot, it stops before others may start.
import { sleep } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Lease } from '@ambit/resources';
import type { KubeClient } from './client.ts';
import { KubeError } from './errors.ts';

/** Settings of {@link startLeaderElection}. */
export interface LeaderElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Who we are; unique per process (pod name). */
  readonly identity: string;
  /** Runs while we lead; `signal` aborts when leadership is lost or given up. */
  readonly onLead: (signal: AbortSignal) => void;
  readonly log: Logger;
  /** How long a lease holds without renewal. Default 15 000. */
  readonly leaseMs?: number;
  /** Pause between renewals. Default 3 000. */
  readonly renewMs?: number;
}

/** A candidate. */
export interface LeaderElection {
  readonly isLeader: boolean;
  /** Gives leadership up, releases the lease, and stops; idempotent. */
  close(): Promise<void>;
}

/** Competes for a lease until closed. */
export function startLeaderElection(options: LeaderElectionOptions): LeaderElection {
  const { client, namespace, name, identity, onLead, log, leaseMs = 15_000, renewMs = 3_000 } = options;
  const stop = new AbortController();
  let term: AbortController | undefined;
  let renewedAt = 0;
  let mine: Lease | undefined;
  // A foreign lease counts as expired when it has not changed for its duration by OUR clock: clocks of nodes differ.
  let seen = { version: '', at: 0 };

  const lease = (holder: string, before: Lease | undefined): Lease => {
    const now = new Date().toISOString().replace('Z', '000Z');
    const isNew = before?.spec?.holderIdentity !== holder;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...before?.metadata, name, namespace },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(leaseMs / 1000),
        acquireTime: isNew ? now : (before.spec?.acquireTime ?? now),
        renewTime: now,
        leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (isNew && before !== undefined ? 1 : 0),
      },
    };
  };

  const renew = async (held: Lease): Promise<boolean> => {
    mine = undefined;
    mine = await client.update(lease(identity, held));
    return true;
  };
  const tryOnce = async (): Promise<boolean> => {
    // The holder knows its lease: one write per renewal. A conflict means that somebody else wrote it.
    if (mine !== undefined) return renew(mine);
    const before = await client.get({ kind: 'Lease', namespace, name });
    if (before === undefined) {
      mine = await client.create(lease(identity, undefined));
      return true;
    }
    const holder = before.spec?.holderIdentity ?? '';
    const version = before.metadata.resourceVersion ?? '';
    if (seen.version !== version) seen = { version, at: Date.now() };
    const heldMs = (before.spec?.leaseDurationSeconds ?? 15) * 1000;
    if (holder !== '' && holder !== identity && Date.now() - seen.at < heldMs) return false;
    return renew(before);
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
        const leads = await tryOnce();
        if (leads) renewedAt = Date.now();
        settle(leads);
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
      const wasLeader = term !== undefined;
      stop.abort();
      await running;
      settle(false);
      if (!wasLeader) return;
      try {
        const held = await client.get({ kind: 'Lease', namespace, name });
        if (held?.spec?.holderIdentity === identity) await client.update(lease('', held));
      } catch (error) {
        log.debug('lease not released', { lease: name, error: messageOf(error) });
      }
    },
  };
}
