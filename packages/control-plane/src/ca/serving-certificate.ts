// The control plane's own TLS certificate: renewed at half life, and whenever the authority changed (spec control-plane 5.6).
// In: a way to issue. Out: calls with the next certificate. Owned by app.ts; main thread.
import type { WorkloadCertificate } from '@ambit/identity';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';

const RETRY_MS = 5_000;
/** Longest timer that Node.js takes, about 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Renews; dispose to stop. */
export interface ServingKeeper extends Disposable {
  /** Issues another one now. */
  renew(): void;
}

/** Starts keeping. */
export function keepServing(options: {
  readonly issue: () => Promise<WorkloadCertificate>;
  readonly first: WorkloadCertificate;
  readonly onNext: (certificate: WorkloadCertificate) => void;
  readonly log: Logger;
}): ServingKeeper {
  const { issue, onNext, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (isClosed) return;
    timer = setTimeout(renew, Math.min(Math.max(ms, 0), LONGEST_MS));
    timer.unref();
  };
  const untilHalfLife = ({ notBefore, notAfter }: WorkloadCertificate): number =>
    (notBefore + notAfter) / 2 - Date.now();
  const replace = async (): Promise<void> => {
    try {
      const next = await issue();
      if (isClosed) return;
      onNext(next);
      log.info('serving certificate renewed', { notAfter: new Date(next.notAfter).toISOString() });
      schedule(untilHalfLife(next));
    } catch (error) {
      log.error('serving certificate not renewed, trying again', { error: messageOf(error) });
      schedule(RETRY_MS);
    }
  };
  function renew(): void {
    background(log, 'serving certificate', replace());
  }
  schedule(untilHalfLife(options.first));
  return {
    renew,
    [Symbol.dispose]() {
      isClosed = true;
      clearTimeout(timer);
    },
  };
}
