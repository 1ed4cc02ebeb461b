/**
 * One request of a client and the way to answer it, the same for HTTP/1.1 and HTTP/2.
 * Made by http/h1/server.ts and http/h2/server.ts, driven by filters/order.ts; data thread.
 */
import type { HeaderList, LocalReply } from '@ambit/l7';
import type { Endpoint } from '@ambit/net';
import type { BodySink, BodySource } from './body.ts';

/** Request line and headers as received; nothing is normalized yet. */
export interface RequestHead {
  readonly method: string;
  /** Request target as sent. */
  readonly target: string;
  readonly scheme: string;
  readonly authority: string;
  readonly headers: HeaderList;
}

/** A connection that no longer speaks HTTP, and the bytes already taken from it. The taker owns it. */
export interface Upgraded {
  readonly endpoint: Endpoint;
  readonly early: Buffer;
}

/** A request in work. Exactly one of `respond`, `upgrade` or `abort` comes first; errors of the client never throw. */
export interface Exchange {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly head: RequestHead;
  readonly hasBody: boolean;
  /** Request body; paused until somebody reads. */
  readonly body: BodySource;
  /** False while an HTTP/1.1 client is still sending: an answer before that ends the connection. */
  readonly isRequestComplete: boolean;
  /** Trailers as name/value array; complete once the body ended. */
  requestTrailers(): readonly string[];
  /** True for a websocket: an upgrade of HTTP/1.1, or an extended CONNECT of HTTP/2. */
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
  /** Answers 101 (HTTP/2: 200) and hands over the raw connection or stream; only when `isWebsocket`. `onClosed` is not called any more. */
  upgrade(headers: HeaderList): Upgraded;
  /** Ends the exchange now: RST_STREAM or end of the connection. */
  abort(reason: Error): void;
  /** Called once when nothing more will happen; `complete` when the whole response was handed to the transport. */
  onClosed: ((complete: boolean) => void) | undefined;
  /** The rest of the request broke the rules of HTTP/1.1: this is the answer, unless one has begun. */
  onRefused: ((reply: LocalReply) => void) | undefined;
}
