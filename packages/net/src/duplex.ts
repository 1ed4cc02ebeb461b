// Adapters between endpoints and Node streams, for the places where a Node stream is required anyway: HTTP engines of
// the waypoint, TLS inside a tunnel, tests. Never on the plain relay path.
import { Duplex } from 'node:stream';
import { AGAIN, type Endpoint, EOF } from './endpoint.ts';
import { NodeStreamEndpoint, type NodeStreamOptions } from './node-stream-endpoint.ts';
import { Region } from './region.ts';

/** An endpoint over a Duplex, which it owns. */
export function fromDuplex(stream: Duplex, options: NodeStreamOptions = {}): Endpoint {
  return new NodeStreamEndpoint(stream, options);
}

/** A Duplex over an endpoint, which it owns. Received bytes are copied once, because Node keeps chunks for as long as it likes. */
export function toDuplex(endpoint: Endpoint): Duplex {
  return new EndpointDuplex(endpoint);
}

class EndpointDuplex extends Duplex {
  readonly #endpoint: Endpoint;
  #onWritten: (() => void) | undefined;
  #wantsBytes = false;

  constructor(endpoint: Endpoint) {
    super({ allowHalfOpen: true });
    this.#endpoint = endpoint;
    const onReadable = () => this.#pump();
    endpoint.onReadable = onReadable;
    const onWritable = () => this.#written();
    endpoint.onWritable = onWritable;
    const onClose = (error: Error | undefined) => {
      this.#written();
      if (error !== undefined) this.destroy(error);
      else if (!this.readableEnded) this.push(null);
    };
    endpoint.onClose = onClose;
  }

  override _read(): void {
    this.#wantsBytes = true;
    this.#pump();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#endpoint.write([Region.of(chunk)]) === 'accepted') return done();
    this.#onWritten = done;
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    if (this.#endpoint.write(chunks.map(({ chunk }) => Region.of(chunk))) === 'accepted') return done();
    this.#onWritten = done;
  }

  override _final(done: () => void): void {
    this.#endpoint.shutdownWrite();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (error === null) this.#endpoint.close();
    else this.#endpoint.destroy(error);
    done(error);
  }

  #pump(): void {
    while (this.#wantsBytes) {
      const region = this.#endpoint.read();
      if (region === AGAIN) return;
      if (region === EOF) {
        this.push(null);
        return;
      }
      this.#wantsBytes = this.push(region.takeBuffer());
    }
  }

  #written(): void {
    const done = this.#onWritten;
    this.#onWritten = undefined;
    done?.();
  }
}
