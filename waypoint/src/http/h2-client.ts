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
import { fromDuplex } from '@ambit/net';
import { UpstreamError } from '../errors.ts';
import { bytesSource, ReadableSource } from './body.ts';
import { sendTrailers } from './send-trailers.ts';
import { StreamSink } from './stream-sink.ts';
import { tunnelSocket } from './tunnel-socket.ts';
import type {
  ConnectionRules,
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
/** Longest wait for the first SETTINGS of a backend. */
const settingsMs = 5000;

/** HTTP/2 towards backends. */
export interface Http2Client extends UpstreamClient {
  /** True when the backend announces the extended CONNECT (RFC 8441). Dials where it must; rejects as a call would. */
  takesWebsockets(key: string, open: OpenConnection): Promise<boolean>;
}

interface PooledSession {
  readonly session: ClientHttp2Session;
  /** Resolves with the first SETTINGS of the peer, or when the session is over. */
  readonly settled: Promise<void>;
  streams: number;
  requests: number;
  readonly rules: ConnectionRules | undefined;
  readonly bornMs: number;
  idleTimer: NodeJS.Timeout | undefined;
}

/** Makes the client. */
export const createHttp2Client = (): Http2Client => {
  const pool = new SessionPool();
  return {
    takesWebsockets: async (key, open) => {
      const pooled = await pool.take(key, open, undefined);
      await settledOf(pooled);
      pool.rest(pooled);
      return pooled.session.remoteSettings?.enableConnectProtocol === true;
    },
    send: (key, open, request, onInterim) => new Http2Call(pool, key, open, request, onInterim),
    retire: (isGone, limitMs, reason) => pool.retire(isGone, limitMs, reason),
    close: () => pool.close(),
  };
};

class SessionPool {
  readonly #sessions = new Map<string, PooledSession[]>();
  readonly #dialling = new Map<string, Promise<PooledSession>>();

  /** A session with room; dials at most one at a time per key. */
  async take(key: string, open: OpenConnection, rules: ConnectionRules | undefined): Promise<PooledSession> {
    for (;;) {
      const ready = this.#sessions.get(key)?.find((pooled) => hasRoom(pooled));
      if (ready !== undefined) return ready;
      let dial = this.#dialling.get(key);
      if (dial === undefined) {
        dial = this.#dial(key, open, rules).finally(() => this.#dialling.delete(key));
        this.#dialling.set(key, dial);
      }
      const made = await dial;
      if (hasRoom(made)) return made;
    }
  }

  async #dial(key: string, open: OpenConnection, rules: ConnectionRules | undefined): Promise<PooledSession> {
    const socket = tunnelSocket(await open());
    const session = connect('http://upstream', { createConnection: () => socket, ...sessionOptions });
    const settled = new Promise<void>((resolve) => {
      session.once('remoteSettings', () => resolve());
      session.once('close', () => resolve());
    });
    const pooled: PooledSession = {
      session,
      settled,
      streams: 0,
      requests: 0,
      rules,
      bornMs: performance.now(),
      idleTimer: undefined,
    };
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
    this.rest(pooled);
  }

  /** A session that nobody uses is closed after a while. */
  rest(pooled: PooledSession): void {
    const { session, streams, rules } = pooled;
    if (session.closed) return;
    if (isUsedUp(pooled)) session.close(); // what is open finishes
    if (streams > 0) return;
    clearTimeout(pooled.idleTimer);
    pooled.idleTimer = setTimeout(() => session.close(), rules?.idleMs ?? idleMs).unref();
  }

  /** Sessions of these keys take no further request; at the limit what is left of them ends. */
  retire(isGone: (key: string) => boolean, limitMs: number, reason: Error): void {
    const left: ClientHttp2Session[] = [];
    for (const [key, list] of this.#sessions) {
      if (!isGone(key)) continue;
      for (const { session, streams } of list) {
        if (streams > 0) left.push(session);
        session.close();
      }
    }
    if (left.length === 0) return;
    setTimeout(() => {
      for (const session of left) if (!session.destroyed) session.destroy(reason);
    }, limitMs).unref();
  }

  close(): void {
    for (const list of this.#sessions.values()) for (const { session } of list) session.destroy();
  }
}

const hasRoom = (pooled: PooledSession): boolean => {
  const { session, streams, rules } = pooled;
  if (session.closed || session.destroyed || isUsedUp(pooled)) return false;
  const own = Math.min(maxStreams, rules?.maxStreams ?? maxStreams);
  return streams < Math.min(own, session.remoteSettings?.maxConcurrentStreams ?? own);
};

const isUsedUp = ({ rules, requests, bornMs }: PooledSession): boolean =>
  rules !== undefined && (requests >= rules.maxRequests || performance.now() - bornMs >= rules.maxAgeMs);

const settledOf = async ({ settled }: PooledSession): Promise<void> => {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, settingsMs);
  await Promise.race([settled, late.promise]);
  clearTimeout(timer);
};

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

  release(): void {
    this.#done();
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
    const pooled = await pool.take(key, open, request.rules);
    if (this.#cancelled !== undefined) throw this.#cancelled;
    clearTimeout(pooled.idleTimer);
    pooled.streams += 1;
    pooled.requests += 1;
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>();
    let stream: ClientHttp2Stream;
    try {
      stream = pooled.session.request(headersOf(request) as never, {
        endStream: !request.hasBody && !request.isWebsocket,
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
      const status = headers[':status'] ?? 0;
      if (request.isWebsocket && status >= 200 && status < 300) {
        resolve(upgradedOf(stream, HeaderList.fromRaw(withoutPseudo(raw ?? []))));
        return;
      }
      body = new ReadableSource(stream);
      resolve({
        status,
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

/** The answer to an extended CONNECT as the 101 that it stands for. */
const upgradedOf = (stream: ClientHttp2Stream, headers: HeaderList): UpstreamResponse => ({
  status: 101,
  headers,
  body: bytesSource(new Uint8Array()),
  isBodyless: true,
  trailers: () => [],
  upgraded: { endpoint: fromDuplex(stream), early: Buffer.alloc(0) },
});

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
    ...(request.isWebsocket ? ['CONNECT', ':protocol', 'websocket'] : [request.method]),
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
