/**
 * The file of `CRL_PATH` in; its content, whenever it changed and can be read, out. Main thread.
 *
 * Made by `app.ts`; the content goes to the data threads, which judge handshakes and open tunnels by it. Kubernetes
 * swaps symbolic links, so the folder is watched, and a burst of events is one reload (spec/node-proxy.md 2.3).
 */
import { readFileSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { parseRevocationLists } from '@ambit/identity/x509/crl';
import type { Clock } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { errorText } from '../telemetry/response-flags.ts';

/** Quiet time after the last event of the folder before the file is read again. */
export const CRL_SETTLE_MS = 2000;
/** Largest file that is read. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What the watcher needs. */
export interface RevocationFileOptions {
  readonly path: string;
  /** Gets the content at once when there is some, and after each change; never twice the same. */
  readonly onContent: (content: Uint8Array) => void;
  readonly clock: Clock;
  readonly log: Logger;
  /** Calls back for each event of a folder; throws when it cannot be watched. Default: the file system's. */
  readonly watchFolder?: (path: string, onEvent: () => void) => Disposable;
  /** Default: the file system's. */
  readonly read?: (path: string) => Buffer;
}

/** Reads the file now and follows it until disposed. A list that cannot be read changes nothing. */
export function followRevocationFile(options: RevocationFileOptions): Disposable {
  const { path, clock, log } = options;
  const read = options.read ?? readFileSync;
  let last: Buffer | undefined;
  let settling: Disposable | undefined;
  let retrying: Disposable | undefined;
  const load = (): void => {
    try {
      const content = read(path);
      if (content.length > MAX_BYTES) throw new Error(`the file has more than ${MAX_BYTES} bytes`);
      if (last?.equals(content) === true) return;
      const { size } = parseRevocationLists(content);
      last = content;
      log.info('revocation lists loaded', { path, lists: size });
      options.onContent(content);
    } catch (error) {
      log.warn(
        last === undefined
          ? 'revocation lists cannot be read yet'
          : 'revocation lists kept: the new file cannot be read',
        {
          path,
          error: errorText(error),
        },
      );
    }
  };
  const onEvent = (): void => {
    settling?.[Symbol.dispose]();
    settling = clock.setTimeout(load, CRL_SETTLE_MS);
  };
  const watching = new DisposableStack();
  const start = (): void => {
    try {
      watching.use((options.watchFolder ?? watchFolder)(dirname(path), onEvent));
      load();
    } catch (error) {
      log.warn('the folder of the revocation lists cannot be watched yet', { path, error: errorText(error) });
      retrying = clock.setTimeout(start, CRL_SETTLE_MS);
    }
  };
  start();
  return {
    [Symbol.dispose]() {
      settling?.[Symbol.dispose]();
      retrying?.[Symbol.dispose]();
      watching.dispose();
    },
  };
}

function watchFolder(path: string, onEvent: () => void): Disposable {
  const watcher = watch(path, { persistent: false }, onEvent);
  watcher.on('error', onEvent);
  return { [Symbol.dispose]: () => watcher.close() };
}
