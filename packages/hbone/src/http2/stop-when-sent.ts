// The graceful end of a stream whose peer may still be sending. Used by stream-endpoint.ts and server-session.ts.
import { constants, type Http2Stream } from 'node:http2';

const LOOK_AGAIN_MS = 5;
const MAX_LOOKS = 200;

/**
 * Tells the peer to stop (RST NO_ERROR) once everything of ours has left, and discards what arrives until then. A reset
 * throws away the frames of its stream that still wait in nghttp2, the answer and END_STREAM included: a tunnel that
 * was accepted and closed at once reached the client as a reset. Gives up waiting after a second.
 */
export function stopWhenSent(stream: Http2Stream): void {
  stream.resume();
  let looks = 0;
  const look = (): void => {
    if (stream.destroyed || stream.closed) return;
    looks += 1;
    const waiting = stream.session?.state.outboundQueueSize ?? 0;
    if (waiting === 0 || looks > MAX_LOOKS) stream.close(constants.NGHTTP2_NO_ERROR);
    else setTimeout(look, LOOK_AGAIN_MS).unref();
  };
  setImmediate(look);
}
