// Keeps one certificate per identity: fetches, renews at half life, retries, forgets (spec/node-proxy.md 7.3). In: identities that
// traffic or prefetch needs. Out: certificates and news about them. Called by the node proxy and the waypoint, main thread; the
// data threads receive what `watch` reports.

import { createBackoff } from '@ambit/runtime/backoff';
import type { Backoff } from '@ambit/runtime/backoff';
import { background } from '@ambit/runtime/background';
import type { Clock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';

import { createReadyQueue } from './certificate-manager/ready-queue.ts';
import type { Priority } from './certificate-manager/ready-queue.ts';
import type { CertificateSource } from './certificate-source.ts';
import { IdentityError } from './errors.ts';
import { renewalTime } from './workload-certificate.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';

export type { Priority } from './certificate-manager/ready-queue.ts';

/** Certificate requests that run at the same time. */
export const DEFAULT_CONCURRENCY = 8;

const firstRetryMs = 1000;
const longestRetryMs = 150_000;
/** After so long without success every retry waits the longest delay. */
const patienceMs = 15 * 60_000;
/** A certificate that is due the moment it arrives must not turn into a busy loop. */
const shortestRenewalMs = 1000;

/** What is known about one identity. */
export type CertificateState =
  | { readonly kind: 'initializing'; readonly priority: Priority }
  | { readonly kind: 'available'; readonly certificate: WorkloadCertificate }
  | { readonly kind: 'unavailable'; readonly error: unknown };

/** Settings of the manager. */
export interface CertificateManagerOptions {
  readonly ca: CertificateSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default 8. */
  readonly concurrency?: number;
  /** For the jitter of retries; default Math.random. */
  readonly random?: () => number;
}

/** The certificates of one process. Owns its timers and requests until `close`. */
export interface CertificateManager extends Disposable {
  /**
   * The certificate of an identity. Joins a fetch under way and may raise its priority; while retries go on it rejects at
   * once with the last error. Other rejections: ERR_IDENTITY_FORGOTTEN, ERR_IDENTITY_CLOSED, the reason of `signal`.
   */
  get(
    identity: string,
    options?: { readonly priority?: Priority; readonly signal?: AbortSignal },
  ): Promise<WorkloadCertificate>;
  /** Fetches in the background with warm-up priority; never rejects. */
  prefetch(identity: string): void;
  /** The certificate held now, without asking for one. */
  current(identity: string): WorkloadCertificate | undefined;
  /** Calls `onCertificate` for each new certificate of any identity, until disposed. It must not throw. */
  watch(onCertificate: (certificate: WorkloadCertificate) => void): Disposable;
  /** Drops an identity: waiting requests reject with ERR_IDENTITY_FORGOTTEN, a fetch under way is discarded. */
  forget(identity: string): void;
  /** Every identity and its state, for the admin dump. */
  states(): ReadonlyMap<string, CertificateState>;
  /** Ends everything now; waiting requests reject with ERR_IDENTITY_CLOSED. Idempotent. */
  close(): void;
}

interface Entry {
  readonly identity: string;
  readonly backoff: Backoff;
  readonly abort: AbortController;
  readonly firstAnswer: PromiseWithResolvers<WorkloadCertificate>;
  state: CertificateState;
  /** Start of the current row of failures. */
  failingSince: number | undefined;
  timer: Disposable | undefined;
}

/** Makes a manager; nothing runs before the first request. */
export function createCertificateManager(options: CertificateManagerOptions): CertificateManager {
  const { ca, clock, log } = options;
  const concurrency = options.concurrency ?? DEFAULT_CONCURRENCY;
  const entries = new Map<string, Entry>();
  const queue = createReadyQueue<Entry>();
  const watchers = new Set<(certificate: WorkloadCertificate) => void>();
  let inFlight = 0;
  let isClosed = false;

  const pump = (): void => {
    while (inFlight < concurrency) {
      const entry = queue.take();
      if (entry === undefined) return;
      inFlight += 1;
      background(log, 'fetch certificate', run(entry));
    }
  };

  const run = async (entry: Entry): Promise<void> => {
    try {
      const certificate = await ca.fetch(entry.identity, { signal: entry.abort.signal });
      if (isHeld(entry)) onFetched(entry, certificate);
    } catch (error) {
      if (isHeld(entry)) onFailed(entry, error);
    } finally {
      inFlight -= 1;
      pump();
    }
  };

  const isHeld = (entry: Entry): boolean => entries.get(entry.identity) === entry;

  const onFetched = (entry: Entry, certificate: WorkloadCertificate): void => {
    entry.state = { kind: 'available', certificate };
    entry.backoff.reset();
    entry.failingSince = undefined;
    entry.firstAnswer.resolve(certificate);
    log.debug('certificate fetched', {
      identity: entry.identity,
      serial: certificate.serial,
      notAfter: certificate.notAfter,
    });
    enqueueLater(entry, Math.max(renewalTime(certificate) - clock.now(), shortestRenewalMs));
    for (const watcher of watchers) watcher(certificate);
  };

  const onFailed = (entry: Entry, error: unknown): void => {
    const now = clock.now();
    entry.failingSince ??= now;
    const backoffMs = now - entry.failingSince >= patienceMs ? longestRetryMs : entry.backoff.next();
    const validMs = entry.state.kind === 'available' ? entry.state.certificate.notAfter - now : 0;
    const delayMs = validMs > 0 ? Math.min(backoffMs, validMs) : backoffMs;
    if (validMs <= 0) entry.state = { kind: 'unavailable', error };
    entry.firstAnswer.reject(error);
    log.warn('certificate fetch failed', {
      identity: entry.identity,
      error: messageOf(error),
      retryMs: delayMs,
      validMs,
    });
    enqueueLater(entry, delayMs);
  };

  const enqueueLater = (entry: Entry, delayMs: number): void => {
    entry.timer = clock.setTimeout(() => {
      entry.timer = undefined;
      queue.add(entry, 'background');
      pump();
    }, delayMs);
  };

  const demand = (identity: string, priority: Priority): Entry => {
    const known = entries.get(identity);
    if (known !== undefined) {
      if (known.state.kind === 'initializing')
        known.state = { kind: 'initializing', priority: queue.raise(known, priority) };
      return known;
    }
    const entry = newEntry(identity, priority, options.random);
    entries.set(identity, entry);
    queue.add(entry, priority);
    pump();
    return entry;
  };

  const get: CertificateManager['get'] = (identity, { priority = 'real-time', signal } = {}) => {
    if (isClosed) return Promise.reject(closedError());
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const entry = demand(identity, priority);
    switch (entry.state.kind) {
      case 'available':
        return Promise.resolve(entry.state.certificate);
      case 'unavailable':
        return Promise.reject(entry.state.error);
      case 'initializing':
        return untilAborted(entry.firstAnswer.promise, signal);
      default:
        return entry.state satisfies never;
    }
  };

  const drop = (entry: Entry, error: IdentityError): void => {
    entries.delete(entry.identity);
    queue.remove(entry);
    entry.timer?.[Symbol.dispose]();
    entry.abort.abort(error);
    entry.firstAnswer.reject(error);
  };

  const close = (): void => {
    isClosed = true;
    for (const entry of entries.values()) drop(entry, closedError());
    watchers.clear();
  };

  return {
    get,
    prefetch: (identity) => {
      if (!isClosed) demand(identity, 'warmup');
    },
    current: (identity) => {
      const state = entries.get(identity)?.state;
      return state?.kind === 'available' ? state.certificate : undefined;
    },
    watch: (onCertificate) => {
      watchers.add(onCertificate);
      return { [Symbol.dispose]: () => void watchers.delete(onCertificate) };
    },
    forget: (identity) => {
      const entry = entries.get(identity);
      if (entry !== undefined) drop(entry, forgottenError(identity));
    },
    states: () => new Map([...entries].map(([identity, entry]) => [identity, entry.state])),
    close,
    [Symbol.dispose]: close,
  };
}

function newEntry(identity: string, priority: Priority, random: (() => number) | undefined): Entry {
  const firstAnswer = Promise.withResolvers<WorkloadCertificate>();
  // Nobody may be waiting (prefetch); the state keeps the error.
  firstAnswer.promise.catch(() => undefined);
  return {
    identity,
    backoff: createBackoff({
      initialMs: firstRetryMs,
      maxMs: longestRetryMs,
      jitter: 0.2,
      ...(random === undefined ? {} : { random }),
    }),
    abort: new AbortController(),
    firstAnswer,
    state: { kind: 'initializing', priority },
    failingSince: undefined,
    timer: undefined,
  };
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const aborted = Promise.withResolvers<never>();
  const onAbort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function forgottenError(identity: string): IdentityError {
  return new IdentityError('ERR_IDENTITY_FORGOTTEN', `the identity is no longer needed: ${identity}`);
}

function closedError(): IdentityError {
  return new IdentityError('ERR_IDENTITY_CLOSED', 'the certificate manager is closed');
}
