/** Bytes into a Node stream, for HTTP/2 (http/h2-server.ts, h2-client.ts). Data thread. */
import type { Writable } from 'node:stream';
import type { BodySink } from './body.ts';

/** A sink over a stream that somebody else owns. */
export class StreamSink implements BodySink {
  onDrain: (() => void) | undefined;
  readonly #stream: Writable;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('drain', () => this.onDrain?.());
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.destroyed || this.#stream.writableEnded || this.#stream.write(chunk);
  }
}
