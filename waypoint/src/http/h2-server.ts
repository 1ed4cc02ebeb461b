/**
 * HTTP/2 with prior knowledge towards clients: inner bytes of a tunnel -> exchanges (spec/waypoint.md 1.5).
 * Path 4, step 4; data thread. The session rides on a plain Duplex. An extended CONNECT (RFC 8441) is shown as the GET with
 * `Upgrade` that it stands for (spec/waypoint.md 5.10), so that routes and policies see one kind of websocket.
 */
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { HeaderList } from '@ambit/l7';
import { fromDuplex } from '@ambit/net';
import { type BodySink, type BodySource, bytesSource, ReadableSource } from './body.ts';
import type { Exchange, Upgraded } from './exchange.ts';
import { sendTrailers } from './send-trailers.ts';
import { StreamSink } from './stream-sink.ts';

const windowBytes = 1024 * 1024;
const connectionWindowBytes = 16 * 1024 * 1024;
const maxHeaderListBytes = 64 * 1024;

/** The HTTP/2 side of a data thread. */
export interface Http2Server<Context> {
  accept(socket: Duplex, context: Context): void;
  /** GOAWAY on every session; running requests finish. */
  drain(): void;
}

/** Makes the server. */
export const createHttp2Server = <Context>(
  onExchange: (exchange: Exchange, context: Context) => void,
): Http2Server<Context> => {
  const sessions = new Set<ServerHttp2Session>();
  let isDraining = false;
  return {
    accept: (socket, context) => {
      const session = performServerHandshake(socket, {
        maxSessionMemory: 100,
        // A repeated field is the peer's business; core http2 would throw.
        strictSingleValueFields: false,
        streamResetBurst: 10_000,
        streamResetRate: 1000,
        settings: {
          initialWindowSize: windowBytes,
          maxConcurrentStreams: 100,
          maxHeaderListSize: maxHeaderListBytes,
          enableConnectProtocol: true,
        },
      } as never);
      sessions.add(session);
      session.on('error', ignore);
      session.on('close', () => {
        sessions.delete(session);
        socket.destroy();
      });
      session.setLocalWindowSize(connectionWindowBytes);
      const resets = new ResetCount();
      session.on('stream', (stream: ServerHttp2Stream, _headers: unknown, _flags: number, rawHeaders: string[]) => {
        stream.on('error', ignore);
        stream.on('close', () => {
          if (resets.isTooMany(stream)) session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
        });
        onExchange(new Http2Exchange(stream, rawHeaders), context);
      });
      if (isDraining) session.close();
    },
    drain: () => {
      isDraining = true;
      for (const session of sessions) session.close();
    },
  };
};

/** Streams of a session before its resets count, as upstream has it. */
const minStreams = 500;

/** Streams that a client gave up before it had an answer (CVE-2023-44487): more than half of many end the session. */
class ResetCount {
  #streams = 0;
  #resets = 0;

  /** Counts a stream that ended. */
  isTooMany({ rstCode, headersSent }: ServerHttp2Stream): boolean {
    this.#streams += 1;
    if (rstCode !== constants.NGHTTP2_NO_ERROR && !headersSent) this.#resets += 1;
    return this.#streams >= minStreams && this.#resets * 2 > this.#streams;
  }
}

class Http2Exchange implements Exchange {
  readonly protocol = 'HTTP/2';
  readonly head: Exchange['head'];
  readonly hasBody: boolean;
  readonly body: BodySource;
  readonly isWebsocket: boolean;
  readonly isRequestComplete = true; // what is left of the request is the stream's business, not the connection's
  readonly sink: BodySink;
  onClosed: ((complete: boolean) => void) | undefined;
  onRefused: Exchange['onRefused'];
  readonly #stream: ServerHttp2Stream;
  #requestTrailers: readonly string[] = [];
  #trailers: readonly string[] | undefined;
  #isEnded = false;

  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[]) {
    this.#stream = stream;
    const { head, protocol } = headOf(rawHeaders);
    this.head = head;
    this.isWebsocket = protocol?.toLowerCase() === 'websocket';
    // What follows the head of an extended CONNECT is no body: it stays in the stream until somebody takes that over.
    this.body = protocol === undefined ? new ReadableSource(stream) : bytesSource(new Uint8Array());
    this.sink = new StreamSink(stream);
    this.hasBody =
      protocol === undefined && !stream.readableEnded && !(stream as { endAfterHeaders?: boolean }).endAfterHeaders;
    stream.on('trailers', (_headers: unknown, _flags: number, raw?: string[]) => {
      this.#requestTrailers = raw ?? [];
    });
    stream.on('wantTrailers', () => sendTrailers(stream, this.#trailers ?? []));
    stream.on('close', () => {
      const onClosed = this.onClosed;
      this.onClosed = undefined;
      onClosed?.(this.#isEnded && stream.rstCode === constants.NGHTTP2_NO_ERROR);
    });
  }

  requestTrailers(): readonly string[] {
    return this.#requestTrailers;
  }

  interim(status: number, headers: HeaderList): void {
    if (!this.#stream.destroyed && !this.#stream.headersSent && status !== 101) {
      this.#stream.additionalHeaders({ ':status': status, ...objectOf(headers) });
    }
  }

  respond(status: number, headers: HeaderList, options: { endStream: boolean }): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    this.#isEnded = options.endStream;
    headers.remove('connection');
    const raw = [':status', String(status), ...headers.toRaw()];
    this.#stream.respond(raw as never, {
      endStream: options.endStream,
      waitForTrailers: !options.endStream && !headers.has('content-length'),
    });
  }

  end(trailers: readonly string[] | undefined): void {
    this.#isEnded = true;
    this.#trailers = trailers;
    if (!this.#stream.destroyed) this.#stream.end();
  }

  upgrade(headers: HeaderList): Upgraded {
    this.#isEnded = true;
    if (!this.#stream.destroyed && !this.#stream.closed) {
      headers.removeIf((name) => ofUpgrades.has(name));
      this.#stream.respond([':status', '200', ...headers.toRaw()] as never, { endStream: false });
    }
    return { endpoint: fromDuplex(this.#stream), early: Buffer.alloc(0) };
  }

  abort(): void {
    this.#isEnded = false;
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }
}

const ignore = (): void => undefined;

/** Fields of a 101 that HTTP/2 has no place for (RFC 8441 5). */
const ofUpgrades = new Set(['connection', 'upgrade', 'sec-websocket-accept', 'transfer-encoding', 'content-length']);

/** The head, and the protocol of an extended CONNECT. */
const headOf = (raw: readonly string[]): { readonly head: Exchange['head']; readonly protocol: string | undefined } => {
  const fields: string[] = [];
  const pseudo: Record<string, string> = {};
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string;
    const value = raw[index + 1] as string;
    if (name.startsWith(':')) pseudo[name] = value;
    else fields.push(name, value);
  }
  const headers = HeaderList.fromRaw(fields);
  const authority = pseudo[':authority'] ?? headers.get('host') ?? '';
  headers.remove('host');
  if (authority !== '') headers.append('host', authority);
  const method = pseudo[':method'] ?? '';
  const protocol = method === 'CONNECT' ? pseudo[':protocol'] : undefined;
  if (protocol !== undefined) {
    headers.replace('connection', 'Upgrade');
    headers.replace('upgrade', protocol);
  }
  return {
    protocol,
    head: {
      method: protocol === undefined ? method : 'GET',
      target: pseudo[':path'] ?? '',
      scheme: headers.get('x-forwarded-proto') ?? 'http',
      authority,
      headers,
    },
  };
};

const objectOf = (headers: HeaderList): Record<string, string> => Object.fromEntries(headers);
