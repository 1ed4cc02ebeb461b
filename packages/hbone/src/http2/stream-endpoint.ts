// Engine 1's tunnel: one HTTP/2 stream as an endpoint. The only file that knows how a core http2 stream ends:
// END_STREAM = half-close, RST NO_ERROR or CANCEL while reading = end of data, any other code = an error.
import { constants, type ClientHttp2Stream, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { NodeStreamEndpoint, type SocketAddress } from '@ambit/net';
import { HboneError, streamReset } from '../errors.ts';
import { stopWhenSent } from './stop-when-sent.ts';
import type { TunnelHeaders, TunnelStream } from '../tunnel.ts';

/** What the endpoint tells about itself. */
export interface StreamFacts<Peer> {
  readonly peer: Peer;
  readonly peerName: string;
  readonly responseHeaders: TunnelHeaders;
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress | undefined;
  /** Why the connection broke, when it did: core http2 then closes its streams as if the peer had cancelled them. */
  readonly connectionError: () => Error | undefined;
}

/** An endpoint over an open HTTP/2 stream, which it owns. */
export class StreamEndpoint<Peer> extends NodeStreamEndpoint implements TunnelStream<Peer> {
  readonly responseHeaders: TunnelHeaders;
  readonly peer: Peer;

  constructor(stream: ClientHttp2Stream | ServerHttp2Stream, facts: StreamFacts<Peer>) {
    super(stream, {
      local: facts.local,
      remote: facts.remote,
      closeError: facts.connectionError,
      abort: (_stream: Duplex, reason) => abortStream(stream, reason),
      mapError: (error) =>
        HboneError.is(error)
          ? error
          : (facts.connectionError() ?? streamReset(facts.peerName, stream.rstCode ?? 0, error)),
    });
    this.peer = facts.peer;
    this.responseHeaders = facts.responseHeaders;
  }
}

// A tunnel dropped halfway is a CANCEL, at once.
function abortStream(stream: ClientHttp2Stream | ServerHttp2Stream, reason: Error | undefined): void {
  if (stream.destroyed) return;
  if (reason === undefined) return stopWhenSent(stream);
  if (!stream.closed) stream.close(constants.NGHTTP2_CANCEL);
  stream.destroy();
}
