/**
 * One request of a client and the way to answer it, the same for HTTP/1.1 and HTTP/2.
 * Made by http/h1-server.ts and http/h2-server.ts, driven by filters/order.ts; data thread.
 */
import type { Duplex, Readable } from 'node:stream';
import type { HeaderList } from '@ambit/l7';

/** Request line and headers as received; nothing is normalized yet. */
export interface RequestHead {
  readonly method: string;
  /** Request target as sent (origin form). */
  readonly target: string;
  readonly scheme: string;
  readonly authority: string;
  readonly headers: HeaderList;
}

/** Where response bytes go; `write` answers false when the receiver is slow, `drain` says when to go on. */
export interface BodySink {
  write(chunk: Uint8Array): boolean;
  on(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

/** A request in work. Exactly one of `respond`, `upgrade` or `abort` comes first; errors of the client never throw. */
export interface Exchange {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly head: RequestHead;
  readonly hasBody: boolean;
  /** Request body; paused until somebody reads. */
  readonly body: Readable;
  /** False while an HTTP/1.1 client is still sending: an answer before that ends the connection. */
  readonly isRequestComplete: boolean;
  /** Trailers as name/value array; complete once the body ended. */
  requestTrailers(): readonly string[];
  /** True for an HTTP/1.1 websocket upgrade. */
  readonly isWebsocket: boolean;
  /** Relays a 1xx response. */
  interim(status: number, headers: HeaderList): void;
  /** Sends the response head. */
  respond(
    status: number,
    headers: HeaderList,
    options: { readonly endStream: boolean; readonly closeConnection: boolean },
  ): void;
  /** Valid after `respond` without `endStream`. */
  readonly sink: BodySink;
  /** Ends the response body. */
  end(trailers: readonly string[] | undefined): void;
  /** Answers 101 and hands over the raw connection; only when `isWebsocket`. */
  upgrade(headers: HeaderList): Duplex;
  /** Ends the exchange now: RST_STREAM or connection reset. */
  abort(reason: Error): void;
  /** Called once when nothing more will happen; `complete` when the whole response was handed to the transport. */
  onClosed: ((complete: boolean) => void) | undefined;
}
