/**
 * Bodies over a stream of our own framing. In: the stream. Out: a source that checks the length that was told, and a sink.
 * Used by server-exchange.ts and client-call.ts; data thread.
 */
import { AGAIN, EOF, Region } from '@ambit/net';
import type { FramedStream } from '@ambit/hbone/framed/framed-stream';
import { ErrorCode } from '@ambit/hbone/framed/protocol';
import { WaypointError } from '../../errors.ts';
import type { BodyReceiver, BodySink, BodySource } from '../body.ts';

/** What arrives on a stream. What nobody reads is not acknowledged to the peer. */
export class StreamSource implements BodySource {
  receiver: BodyReceiver | undefined;
  readonly #stream: FramedStream<unknown>;
  readonly #expectedBytes: number | undefined;
  readonly #onWhole: (() => void) | undefined;
  #bytes = 0;
  #isFlowing = false;
  #isDropping = false;
  #isPumping = false;
  #isDelivered = false;

  /** `expectedBytes` is the `content-length` that the head told; `onWhole` follows the end of a body that is whole. */
  constructor(stream: FramedStream<unknown>, expectedBytes: number | undefined, onWhole?: () => void) {
    this.#stream = stream;
    this.#onWhole = onWhole;
    this.#expectedBytes = expectedBytes;
    const onReadable = () => this.#pump();
    stream.onReadable = onReadable;
  }

  get isComplete(): boolean {
    return this.#stream.isWhole;
  }

  resume(): void {
    this.#isFlowing = true;
    this.#pump();
  }

  pause(): void {
    this.#isFlowing = false;
  }

  discard(): void {
    this.receiver = undefined;
    this.#isDropping = true;
    this.resume();
  }

  /** The stream is over: what did not come whole is told, even to a receiver that pauses. */
  gone(): void {
    if (!this.#stream.isWhole) this.#deliver(false);
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#isFlowing && !this.#isDelivered && (this.receiver !== undefined || this.#isDropping)) {
      const region = this.#stream.read();
      if (region === AGAIN) break;
      if (region === EOF) this.#end();
      else this.#take(region);
    }
    this.#isPumping = false;
  }

  #take(region: Region): void {
    this.#bytes += region.length;
    // A chunk may be kept; the block that it lies in goes back.
    const chunk = Buffer.from(region.bytes);
    region.release();
    if (this.#bytes > (this.#expectedBytes ?? Number.POSITIVE_INFINITY)) this.#refuse();
    else this.receiver?.onData(chunk);
  }

  #end(): void {
    if (this.#stream.isWhole && this.#bytes !== (this.#expectedBytes ?? this.#bytes)) this.#refuse();
    else this.#deliver(this.#stream.isWhole);
  }

  /** Longer or shorter than it was said to be (RFC 9113 8.1.1). */
  #refuse(): void {
    const reason = new WaypointError('ERR_WAYPOINT_UPSTREAM', 'a body is not as long as its content-length');
    this.#stream.resetWith(ErrorCode.PROTOCOL_ERROR, reason);
    this.#deliver(false);
  }

  #deliver(isWhole: boolean): void {
    if (this.#isDelivered || (this.receiver === undefined && !this.#isDropping)) return;
    this.#isDelivered = true;
    if (!isWhole) return this.receiver?.onBroken(undefined);
    this.receiver?.onEnd();
    this.#onWhole?.();
  }
}

/** What is sent on a stream. */
export class StreamBodySink implements BodySink {
  onDrain: (() => void) | undefined;
  readonly #stream: FramedStream<unknown>;

  constructor(stream: FramedStream<unknown>) {
    this.#stream = stream;
    const onWritable = () => this.onDrain?.();
    stream.onWritable = onWritable;
  }

  write(chunk: Uint8Array): boolean {
    return this.#stream.write([Region.of(chunk)]) === 'accepted';
  }
}
