// What stands around the state machine: who is told of what, the limits it is set up with, and one stream of its table.
// Implemented by framed-stream.ts, transport.ts and the sessions; used by connection.ts.
import type { ResetLimiter } from '../reset-limiter.ts';
import type { FieldList } from './hpack/decoder.ts';

/** What the owner of a stream is told. Called from inside `receive`; may call any command. */
export interface StreamHandler {
  /** A header list: request, response, informational or trailers. `undefined`: longer than allowed. */
  onFields(fields: FieldList | undefined, isEnd: boolean): void;
  /** A piece of payload within the bytes that are being received. `headroom`: bytes in front that nobody needs any more. */
  onData(offset: number, length: number, headroom: number): void;
  /** The peer finished its direction; nothing more arrives. */
  onEnd(): void;
  /** The stream is over: reset by the peer or, for a rule it broke, by us. */
  onReset(code: number, byPeer: boolean): void;
  /** More may be sent. */
  onSendable(): void;
}

/** What the owner of the connection is told. */
export interface ConnectionHandler {
  /** A peer opened a stream; the handler returned is its owner from now on. Servers only. */
  onStream(stream: Http2Stream): StreamHandler;
  onGoaway(lastStreamId: number, code: number): void;
  onPong(payload: number): void;
  /** More may be sent on the connection as a whole. */
  onSendable(): void;
  /** The peer told its settings. */
  onSettings?(): void;
  /** A stream left the table. */
  onStreamGone(): void;
}

/** What a connection is set up with. Bytes and counts. */
export interface ConnectionLimits {
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  readonly maxFrameBytes: number;
  readonly maxHeaderListBytes: number;
  /** Compressed bytes of a list that are read at all; a list that is longer than allowed is then told. Default: little more than the list. */
  readonly maxHeaderBlockBytes?: number;
  /** Streams the peer may have open; 0 for a client. */
  readonly maxConcurrentStreams: number;
  /** Streams that the peer opens only to break rules on them. */
  readonly brokenStreams: ResetLimiter;
  /** Frames that carry nothing (PING, SETTINGS, ...); 1,000 at once and 100 a second where nothing is said. */
  readonly idleFrames?: ResetLimiter;
  /** Servers: announces the extended CONNECT (RFC 8441). */
  readonly takesExtendedConnect?: boolean;
  /** Whether values of a field repeat between streams and belong into the table of the encoder; those of tunnels where nothing is said. */
  readonly repeats?: (name: string) => boolean;
}

/** One stream of the table. Made by the connection; gone from it when both directions ended or one side reset it. */
export class Http2Stream {
  readonly id: number;
  handler: StreamHandler | undefined;
  sendWindow: number;
  receiveWindow: number;
  /** Bytes consumed and not yet given back as credit. */
  owedBytes = 0;
  isLocalEnded = false;
  isRemoteEnded = false;
  /** A final header list arrived; the next one can only be trailers. */
  hasHead = false;
  isGone = false;

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
}
