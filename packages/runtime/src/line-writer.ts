// In: finished lines. Out: bytes on a file descriptor, never waiting for whoever reads it.
// Called by: log.ts. Works on any thread. Lines over the limit are dropped and counted; the count is written when there is room.
import { write, writeSync } from 'node:fs';

/** A queue of lines in front of a file descriptor. */
export interface LineWriter {
  /** Lines dropped so far because the reader was too slow. */
  readonly dropped: number;
  /** Takes one line without its newline; returns false when it was dropped. */
  write(line: string): boolean;
  /** Resolves when the queue is empty, at the latest after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
  /** Writes what is queued before the process ends; called from the exit event. */
  flushSync(): void;
}

/** Asynchronous write of a text: calls back with the error code or undefined, and the number of bytes written. */
export type AsyncWrite = (bytes: Buffer, done: (code: string | undefined, written: number) => void) => void;

/** Settings of {@link createLineWriter}. */
export interface LineWriterOptions {
  readonly write: AsyncWrite;
  readonly writeSync?: (bytes: Buffer) => void;
  /** Most lines queued; more are dropped. Default 10 000. */
  readonly maxLines?: number;
  /** Most lines in one write. Default 1024. */
  readonly batchLines?: number;
  /**
   * Time between two writes, so that the lines of a busy time share one: a write goes through another thread and costs as much as
   * everything else about a short connection. A full batch does not wait. Default 20 ms.
   */
  readonly pauseMs?: number;
}

/** Wait before another try when a non-blocking descriptor is full. */
const RETRY_MS = 20;

/** Makes a line writer with one write in flight at a time. */
export function createLineWriter(options: LineWriterOptions): LineWriter {
  const { maxLines = 10_000, batchLines = 1024, pauseMs = 20 } = options;
  let queue: string[] = [];
  let inFlight: Buffer | undefined;
  /** The pause after a write is running. */
  let isPausing = false;
  let dropped = 0;
  let reported = 0;
  const idle = new Set<() => void>();

  const pump = (): void => {
    if (inFlight !== undefined) return;
    if (queue.length === 0 && dropped === reported) {
      for (const done of idle) done();
      idle.clear();
      return;
    }
    send(Buffer.from(nextBatch()));
  };
  const onPauseEnd = (): void => {
    isPausing = false;
    pump();
  };
  const onWritten = (): void => {
    inFlight = undefined;
    if (pauseMs === 0 || idle.size > 0 || queue.length >= batchLines || dropped > reported) return pump();
    isPausing = true;
    setTimeout(onPauseEnd, pauseMs);
  };
  const nextBatch = (): string => {
    const lines = queue.length <= batchLines ? queue : queue.slice(0, batchLines);
    queue = queue.length <= batchLines ? [] : queue.slice(batchLines);
    if (dropped > reported) {
      lines.push(`log lines dropped: ${dropped - reported} (the reader of the log is too slow)`);
      reported = dropped;
    }
    return `${lines.join('\n')}\n`;
  };
  const send = (bytes: Buffer): void => {
    inFlight = bytes;
    options.write(bytes, (code, written) => {
      if (code === 'EAGAIN') {
        setTimeout(() => send(bytes), RETRY_MS).unref();
      } else if (code === undefined && written < bytes.length) {
        send(bytes.subarray(written));
      } else {
        // Any other error (a closed pipe) loses the batch: a log must never end the process.
        onWritten();
      }
    });
  };

  return {
    get dropped() {
      return dropped;
    },
    write(line) {
      if (queue.length >= maxLines) {
        dropped += 1;
        return false;
      }
      queue.push(line);
      if (inFlight !== undefined) return true;
      // One write carries all lines of the turn.
      if (isPausing ? queue.length === batchLines : queue.length === 1) setImmediate(pump);
      return true;
    },
    async flush(timeoutMs) {
      if (inFlight === undefined && queue.length === 0) return;
      const done = Promise.withResolvers<void>();
      idle.add(done.resolve);
      const timer = setTimeout(done.resolve, timeoutMs);
      pump();
      await done.promise;
      clearTimeout(timer);
      idle.delete(done.resolve);
    },
    flushSync() {
      if (queue.length === 0) return;
      const text = `${queue.join('\n')}\n`;
      queue = [];
      options.writeSync?.(Buffer.from(text));
    },
  };
}

let shared: LineWriter | undefined;

/** The writer of standard output, one per thread. It flushes when the process exits. */
export function standardOutput(): LineWriter {
  if (shared !== undefined) return shared;
  const writer = createLineWriter({
    write: (bytes, done) => write(1, bytes, (error, written) => done(error?.code, written)),
    writeSync: (bytes) => {
      try {
        writeSync(1, bytes);
      } catch {
        // The reader is gone or full; at exit there is nobody left to tell.
      }
    },
  });
  process.once('exit', () => writer.flushSync());
  shared = writer;
  return writer;
}
