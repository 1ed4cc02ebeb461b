/** Copies a body with back-pressure, without stream.pipe (decisions 6). Data thread. */
import type { Readable } from 'node:stream';
import type { BodySink } from './exchange.ts';

/** What happens around a copy. */
export interface PumpEvents {
  readonly onChunk: (bytes: number) => void;
  /** The source ended; the sink is not ended here. */
  readonly onEnd: () => void;
  /** The source broke before its end. */
  readonly onBroken: (error: Error | undefined) => void;
}

/** Copies `source` to `sink`. Returns a function that stops the copy and forgets both. */
export const pump = (source: Readable, sink: BodySink, events: PumpEvents): (() => void) => {
  let isOver = false;
  const resume = (): void => {
    source.resume();
  };
  const onData = (chunk: Uint8Array): void => {
    events.onChunk(chunk.byteLength);
    if (!sink.write(chunk)) source.pause();
  };
  const finish = (then: () => void) => (): void => {
    if (isOver) return;
    stop();
    then();
  };
  const onEnd = finish(() => events.onEnd());
  let failure: Error | undefined;
  const onError = (error: Error): void => {
    failure = error;
    onClose();
  };
  const onClose = finish(() => events.onBroken(failure));
  const stop = (): void => {
    isOver = true;
    source.off('data', onData);
    source.off('end', onEnd);
    source.off('close', onClose);
    sink.off('drain', resume);
  };
  source.on('data', onData);
  source.on('end', onEnd);
  source.on('error', onError); // stays: a late error must find a listener
  source.on('close', onClose);
  sink.on('drain', resume);
  source.resume();
  return stop;
};
