/**
 * HTTP/2 towards backends with prior knowledge, for h2 and gRPC ports (spec/waypoint.md 5.1, 5.2).
 * Path 4, step 9: called by upstream/forward.ts on the data thread. Sessions are shared per key.
 */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  constants,
} from 'node:http2';
import { HeaderList } from '@ambit/l7';
import { UpstreamError } from '../errors.ts';
import { ReadableSource } from './body.ts';
import { sendTrailers } from './send-trailers.ts';
import { StreamSink } from './stream-sink.ts';
import { tunnelSocket } from './tunnel-socket.ts';
import type {
  InterimListener,
  OpenConnection,
  UpstreamCall,
  UpstreamClient,
  UpstreamRequest,
  UpstreamResponse,
} from './upstream.ts';

const windowBytes = 1024 * 1024;
/** What the types of core http2 know only of the server: a repeated field is the peer's business, not a reason to throw. */
const sessionOptions: ClientSessionOptions & { readonly strictSingleValueFields: boolean } = {
  maxSessionMemory: 100,
  strictSingleValueFields: false,
  settings: { initialWindowSize: windowBytes, enablePush: false },
};
const connectionWindowBytes = 16 * 1024 * 1024;
/** Streams on one session before another is opened; the peer's own limit counts as well. */
const maxStreams = 100;
/** A session without streams is closed after this time. */
const idleMs = 60_000;

interface PooledSession {
  readonly session: ClientHttp2Session;
  streams: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Makes the client. */
export const createHttp2Client = (): UpstreamClient => {
  const pool = new SessionPool();
  return {
    send: (key, open, request, onInterim) => new Http2Call(pool, key, open, request, onInterim),
    close: () => pool.close(),
  };
};

class SessionPool {
  readonly #sessions = new Map<string, PooledSession[]>();
  readonly #dialling = new Map<string, Promise<PooledSession>>();

  /** A session with room; dials at most one at a time per key. */
  async take(key: string, open: OpenConnection): Promise<PooledSession> {
    for (;;) {
      const ready = this.#sessions.get(key)?.find((pooled) => hasRoom(pooled));
      if (ready !== undefined) return ready;
      let dial = this.#dialling.get(key);
      if (dial === undefined) {
        dial = this.#dial(key, open).finally(() => this.#dialling.delete(key));
        this.#dialling.set(key, dial);
      }
      const made = await dial;
      if (hasRoom(made)) return made;
    }
  }

  async #dial(key: string, open: OpenConnection): Promise<PooledSession> {
    const socket = tunnelSocket(await open());
    const session = connect('http://upstream', { createConnection: () => socket, ...sessionOptions });
    const pooled: PooledSession = { session, streams: 0, idleTimer: undefined };
    const list = this.#sessions.get(key) ?? [];
    list.push(pooled);
    this.#sessions.set(key, list);
    session.on('error', ignore);
    session.once('connect', () => session.setLocalWindowSize(connectionWindowBytes));
    const forget = (): void => {
      const left = (this.#sessions.get(key) ?? []).filter((other) => other !== pooled);
      if (left.length === 0) this.#sessions.delete(key);
      else this.#sessions.set(key, left);
    };
    session.on('goaway', forget);
    session.on('close', () => {
      clearTimeout(pooled.idleTimer);
      forget();
      socket.destroy();
    });
    return pooled;
  }

  /** Called when a stream ended. */
  release(pooled: PooledSession): void {
    pooled.streams -= 1;
    if (pooled.streams > 0 || pooled.session.closed) return;
    pooled.idleTimer = setTimeout(() => pooled.session.close(), idleMs).unref();
  }

  close(): void {
    for (const list of this.#sessions.values()) for (const { session } of list) session.destroy();
  }
}

const hasRoom = ({ session, streams }: PooledSession): boolean =>
  !session.closed &&
  !session.destroyed &&
  streams < Math.min(maxStreams, session.remoteSettings?.maxConcurrentStreams ?? maxStreams);

class Http2Call implements UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  requestSent = false;
  onDone: (() => void) | undefined;
  #stream: ClientHttp2Stream | undefined;
  #cancelled: Error | undefined;

  constructor(
    pool: SessionPool,
    key: string,
    open: OpenConnection,
    request: UpstreamRequest,
    onInterim: InterimListener,
  ) {
    this.response = this.#start(pool, key, open, request, onInterim);
    this.response.catch(() => {
      request.body.detach();
      this.#done();
    });
  }

  cancel(reason: Error): void {
    this.#cancelled = reason;
    this.#stream?.close(constants.NGHTTP2_CANCEL);
  }

  #done(): void {
    const { onDone } = this;
    this.onDone = undefined;
    onDone?.();
  }

  async #start(
    pool: SessionPool,
    key: string,
    open: OpenConnection,
    request: UpstreamRequest,
    onInterim: InterimListener,
  ): Promise<UpstreamResponse> {
    const pooled = await pool.take(key, open);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    clearTimeout(pooled.idleTimer);
    pooled.streams += 1;
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>();
    let stream: ClientHttp2Stream;
    try {
      stream = pooled.session.request(headersOf(request) as never, {
        endStream: !request.hasBody,
        waitForTrailers: request.hasBody,
      });
    } catch (error) {
      pool.release(pooled);
      throw new UpstreamError({ kind: 'closed' }, false, error);
    }
    this.#stream = stream;
    this.requestSent = true;
    let trailers: readonly string[] = [];
    let body: ReadableSource | undefined;
    stream.on('error', ignore);
    stream.on('wantTrailers', () => sendTrailers(stream, request.trailers()));
    stream.on('headers', (headers: { ':status'?: number }, _flags: number, raw?: string[]) => {
      onInterim(headers[':status'] ?? 100, HeaderList.fromRaw(withoutPseudo(raw ?? [])));
    });
    stream.on('trailers', (_headers: unknown, _flags: number, raw?: string[]) => {
      trailers = raw ?? [];
    });
    stream.on('response', (headers: { ':status'?: number }, flags: number, raw?: string[]) => {
      body = new ReadableSource(stream);
      resolve({
        status: headers[':status'] ?? 0,
        headers: HeaderList.fromRaw(withoutPseudo(raw ?? [])),
        body,
        isBodyless: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0,
        trailers: () => trailers,
        upgraded: undefined,
      });
    });
    stream.on('close', () => {
      pool.release(pooled);
      reject(this.#cancelled ?? failureOf(stream, pooled.session));
      this.#done();
    });
    if (request.hasBody) {
      const sink = new StreamSink(stream);
      request.body.attach(Object.assign(sink, { end: () => stream.end() }));
    }
    return promise;
  }
}

const failureOf = (stream: ClientHttp2Stream, session: ClientHttp2Session): UpstreamError => {
  // The whole connection broke, or its bytes were no HTTP/2: that is no reset of a stream.
  if (session.destroyed) return new UpstreamError({ kind: 'closed' }, true);
  switch (stream.rstCode) {
    case constants.NGHTTP2_REFUSED_STREAM:
      return new UpstreamError({ kind: 'refused-stream' }, true);
    case constants.NGHTTP2_NO_ERROR:
    case constants.NGHTTP2_CANCEL:
      return new UpstreamError({ kind: 'closed' }, true);
    case constants.NGHTTP2_PROTOCOL_ERROR:
      return new UpstreamError({ kind: 'protocol' }, true);
    default:
      return new UpstreamError({ kind: 'reset' }, true);
  }
};

const headersOf = (request: UpstreamRequest): string[] => {
  const headers = request.headers.clone();
  headers.remove('host');
  return [
    ':method',
    request.method,
    ':scheme',
    request.scheme,
    ':authority',
    request.authority,
    ':path',
    request.target,
    ...headers.toRaw(),
  ];
};

const withoutPseudo = (raw: readonly string[]): string[] => {
  const fields: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = raw[index] as string;
    if (!name.startsWith(':')) fields.push(name, raw[index + 1] as string);
  }
  return fields;
};

const ignore = (): void => undefined;
