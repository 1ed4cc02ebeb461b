// In: the news that something about a pod changed. Out: its status in the API, written when it differs. Called by
// pod-worker.ts, which owns and closes it. Main thread.
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import { isNotFound } from '../api/status.ts';
import type { Pod } from '../controllers/objects.ts';
import { canonicalJson } from '../controllers/pod-from-template.ts';

/** Writes the status of one pod. */
export interface StatusWriter {
  /** Something may have changed; a write follows when it did. */
  changed(): void;
  /** Resolves when nothing is being written. */
  settled(): Promise<void>;
  /** Nothing is written from here on. Idempotent. */
  close(): void;
}

/** Made for one pod. One write at a time; changes during a write lead to one more. Nothing is written when nothing changed. */
export function createStatusWriter(
  context: { readonly api: ObjectApi; readonly log: Logger },
  read: () => { pod: Pod; status: NonNullable<Pod['status']> },
): StatusWriter {
  let writing: Promise<void> | undefined;
  let isDirty = false;
  let isClosed = false;
  let written = '';

  const write = async (): Promise<void> => {
    while (isDirty && !isClosed) {
      isDirty = false;
      const { pod, status } = read();
      const text = canonicalJson(status);
      if (text === written) continue;
      try {
        await context.api.patch(
          'pods',
          pod.metadata.name,
          pod.metadata.namespace,
          { metadata: { uid: pod.metadata.uid }, status },
          { subresource: 'status' },
        );
        written = text;
      } catch (error) {
        if (isNotFound(error)) return;
        context.log.debug('pod status not written', { pod: pod.metadata.name, error: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, 50));
        isDirty = true;
      }
    }
  };

  const start = (): void => {
    writing = Promise.resolve()
      .then(write)
      .finally(() => {
        writing = undefined;
        // News may come after the last look and before this.
        if (isDirty && !isClosed) start();
      });
  };

  return {
    changed: () => {
      isDirty = true;
      if (!isClosed && writing === undefined) start();
    },
    settled: async () => {
      while (writing !== undefined) await writing;
    },
    close: () => {
      isClosed = true;
    },
  };
}
