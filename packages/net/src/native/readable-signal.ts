// Wake-ups for descriptors that Node cannot wait for. In: a descriptor and who to wake. Out: a call when it may be readable.
// The kernel sends SIGIO when something arrives or the peer goes (O_ASYNC, fcntl(2)); Node turns the signal into an event of its
// loop. One signal stands for any number of descriptors, so everybody looks. Called by sequenced.ts. Main thread only: Node
// delivers signals nowhere else.
import { isMainThread } from 'node:worker_threads';
import * as c from './constants.ts';
import { checked, libc } from './libc.ts';

/** A look without a signal: descriptors of a worker thread, and a net under lost signals. */
const LOOK_MS = 1000;
/** The same where signals do not reach us. */
const LOOK_WITHOUT_SIGNAL_MS = 20;

const watched = new Set<() => void>();
let timer: NodeJS.Timeout | undefined;

/** Calls `wake` whenever the descriptor may be readable or its peer has gone, until disposed; also for nothing. Keeps no process alive. */
export function watchReadable(fd: number, wake: () => void): Disposable {
  if (watched.size === 0) start();
  watched.add(wake);
  if (isMainThread) askForSignals(fd);
  return {
    [Symbol.dispose]() {
      if (!watched.delete(wake) || watched.size > 0) return;
      process.off('SIGIO', wakeAll);
      clearInterval(timer);
      timer = undefined;
    },
  };
}

function start(): void {
  if (isMainThread) process.on('SIGIO', wakeAll);
  timer = setInterval(wakeAll, isMainThread ? LOOK_MS : LOOK_WITHOUT_SIGNAL_MS);
  timer.unref();
}

function wakeAll(): void {
  for (const wake of watched) wake();
}

/** The handler is installed before this: an unhandled SIGIO would end the process. */
function askForSignals(fd: number): void {
  checked('fcntl', `F_SETOWN, fd ${fd}`, libc().fcntl(fd, c.F_SETOWN, 'int', process.pid));
  const flags = checked('fcntl', `F_GETFL, fd ${fd}`, libc().fcntl(fd, c.F_GETFL, 'int', 0));
  checked('fcntl', `F_SETFL, fd ${fd}`, libc().fcntl(fd, c.F_SETFL, 'int', flags | c.O_ASYNC));
}
