// In: the main function of a process. Out: its exit status, after a drain. Main thread.
// SIGTERM or SIGINT (or `stop`) starts the drain; the second signal ends at once (decisions 5, spec node-proxy 10.1).
import type { Drain } from './drain.ts';
import { codeOf, explain } from './errors.ts';
import { type Logger, silentLogger } from './log.ts';

/** What a started app gives back: how to end it. */
export interface RunningApp {
  /** Releases everything; called after the drain ended. */
  close?(): void | Promise<void>;
}

/** Settings of {@link runUntilSignal}. */
export interface RunOptions {
  readonly drain: Drain;
  /** Time that live work may take after the signal. Default 5000. */
  readonly drainDeadlineMs?: number;
  readonly log?: Logger & { flush?(timeoutMs?: number): Promise<void> };
  /** Where signals come from and where the status goes. Default: the process. */
  readonly host?: SignalHost;
}

/** The part of `process` that {@link runUntilSignal} uses. */
export interface SignalHost {
  on(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  off(event: 'SIGTERM' | 'SIGINT', listener: () => void): unknown;
  exit(status: number): void;
}

/** Handed to main: lets it ask for the end by itself. */
export interface RunContext {
  readonly drain: Drain;
  /** Starts the shutdown as a signal would (POST /quitquitquit); a reason makes the exit status 1. */
  stop(reason?: unknown): void;
}

/** The part of a process that {@link readOrExit} uses. */
export interface StartHost {
  print(text: string): void;
  exit(status: number): never;
}

const thisProcess: StartHost = {
  print: (text) => void process.stderr.write(text),
  exit: (status) => process.exit(status),
};

/**
 * Reads what a process needs before it can start: its configuration and logger. A failure is told on stderr as fact, why and
 * try, without a stack, and ends the process with status 1.
 */
export function readOrExit<T>(read: () => T, host: StartHost = thisProcess): T {
  try {
    return read();
  } catch (error) {
    host.print(`${explain(error)}\n`);
    return host.exit(1);
  }
}

/**
 * Runs `main`, waits for a signal, drains, closes the app and exits.
 * Status 0 after a drain, 1 when main failed, closing failed or `stop` got a reason. Resolves with the status after asking for the exit.
 */
export async function runUntilSignal(
  main: (context: RunContext) => Promise<RunningApp | void> | RunningApp | void,
  options: RunOptions,
): Promise<number> {
  const { drain, drainDeadlineMs = 5000, host = process } = options;
  const log: NonNullable<RunOptions['log']> = options.log ?? silentLogger;
  const stopped = Promise.withResolvers<unknown>();
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals === 1) stopped.resolve(undefined);
    else host.exit(0);
  };
  host.on('SIGTERM', onSignal);
  host.on('SIGINT', onSignal);
  // Holds the loop open until the signal: listeners may be unref'd, and a pending promise alone would not.
  const keepAlive = setInterval(() => undefined, 2 ** 30);
  let status = 0;
  const fail = (message: string, error: unknown): void => {
    status = 1;
    log.error(message, { code: codeOf(error), error: explain(error) });
  };
  try {
    const app = await main({ drain, stop: (reason) => stopped.resolve(reason) });
    const reason = await stopped.promise;
    if (reason !== undefined) fail('stopping after a failure', reason);
    log.info('shutdown started', { live: drain.held, deadlineMs: drainDeadlineMs });
    const outcome = await drain.start('graceful', drainDeadlineMs);
    await app?.close?.();
    log.info('shutdown complete', { outcome });
  } catch (error) {
    fail('process failed', error);
  } finally {
    clearInterval(keepAlive);
    host.off('SIGTERM', onSignal);
    host.off('SIGINT', onSignal);
  }
  await log.flush?.();
  host.exit(status);
  return status;
}
