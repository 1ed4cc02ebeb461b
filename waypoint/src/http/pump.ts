/** Copies a body with back-pressure (decisions 6). Data thread. */
import type { BodySink, BodySource } from './body.ts';

/** What happens around a copy. */
export interface PumpEvents {
  readonly onChunk: (bytes: number) => void;
  /** The source ended; the sink is not ended here. */
  readonly onEnd: () => void;
  /** The source broke before its end. */
  readonly onBroken: (error: Error | undefined) => void;
}

/** Copies `source` to `sink`. Returns a function that stops the copy and forgets both. */
export const pump = (source: BodySource, sink: BodySink, events: PumpEvents): (() => void) => {
  const stop = (): void => {
    source.receiver = undefined;
    sink.onDrain = undefined;
  };
  source.receiver = {
    onData: (chunk) => {
      events.onChunk(chunk.byteLength);
      if (!sink.write(chunk)) source.pause();
    },
    onEnd: () => {
      stop();
      events.onEnd();
    },
    onBroken: (error) => {
      stop();
      events.onBroken(error);
    },
  };
  sink.onDrain = () => source.resume();
  source.resume();
  return stop;
};
