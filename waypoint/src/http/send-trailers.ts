/**
 * Trailers of the other side of an exchange onto an HTTP/2 stream. In: name, value, name, value as they came. Out: a trailer
 * frame, or a reset stream. Called by both HTTP/2 engines when the stream wants its trailers; data thread.
 *
 * The names are a stranger's: the object has no prototype (`constructor` is a fine name of a field), fields that only
 * HTTP/1.1 knows are left out, and what core http2 refuses by throwing ends the stream, never the process.
 */
import { constants, type Http2Stream } from 'node:http2';

const ofConnections = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'te',
  'host',
]);

/** Sends the trailers. */
export const sendTrailers = (stream: Http2Stream, raw: readonly string[]): void => {
  const fields = Object.create(null) as Record<string, string[]>;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase();
    if (name.startsWith(':') || ofConnections.has(name)) continue;
    (fields[name] ??= []).push(raw[index + 1] as string);
  }
  try {
    stream.sendTrailers(fields);
  } catch {
    stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
  }
};
