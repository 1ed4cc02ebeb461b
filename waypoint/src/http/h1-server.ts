/**
 * HTTP/1.1 towards clients: inner bytes of a tunnel -> exchanges, on Node's strict parser (spec/waypoint.md 4.6.2).
 * Path 4, step 4. One node:http server per data thread that never listens; it is fed sockets.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HeaderList, type LocalReply, renderLocalReply, replies } from '@ambit/l7';
import type { Exchange } from './exchange.ts';

/** Bytes of all request headers (spec/waypoint.md 4.6.2). */
const maxHeaderBytes = 60 * 1024;
/** Idle time between two requests of one connection. */
const keepAliveMs = 3_600_000;

/** First byte of a request to the end of its headers (spec/waypoint.md 4.6.4). */
const headersTimeoutMs = 60_000;

/** Pace at which idle connections are looked for during a drain. */
const idleCheckMs = 500;

/** Receives requests, and parse errors that were answered here. */
export interface Http1Handler<Context> {
  onExchange(exchange: Exchange, context: Context): void;
  onRefused(reply: LocalReply, context: Context): void;
}

/** The HTTP/1.1 side of a data thread. */
export interface Http1Server<Context> {
  /** Takes over a socket; `context` comes back with each exchange. */
  accept(socket: Duplex, context: Context): void;
  /** From now on every response ends its connection. */
  drain(): void;
  /** Ends every connection now. */
  destroy(): void;
}

/** Makes the server. */
export const createHttp1Server = <Context>(handler: Http1Handler<Context>): Http1Server<Context> => {
  const contexts = new WeakMap<object, Context>();
  let isDraining = false;
  let idleCheck: NodeJS.Timeout | undefined;
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: maxHeaderBytes,
    requireHostHeader: false,
    keepAliveTimeout: keepAliveMs,
    requestTimeout: 0,
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs / 4,
    shouldUpgradeCallback: isWebsocketUpgrade,
  });
  server.timeout = 0;
  server.emit('listening'); // starts Node's check of header times, which otherwise comes with a socket of its own
  const start = (
    request: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    head: Buffer | undefined,
  ): void => {
    const context = contexts.get(socket);
    if (context === undefined) {
      socket.destroy();
      return;
    }
    handler.onExchange(new Http1Exchange(request, response, socket, head, () => isDraining), context);
  };
  listen(server, start, (socket, error) => {
    const context = contexts.get(socket);
    const reply = replyOfParseError(error);
    if (context !== undefined && reply !== undefined) handler.onRefused(reply, context);
    refuse(socket, reply);
  });
  return {
    accept: (socket, context) => {
      contexts.set(socket, context);
      server.emit('connection', socket);
    },
    drain: () => {
      isDraining = true;
      server.closeIdleConnections();
      // A connection whose last response began before the drain becomes idle without having been told.
      idleCheck ??= setInterval(() => server.closeIdleConnections(), idleCheckMs).unref();
    },
    destroy: () => {
      clearInterval(idleCheck);
      server.close(); // ends the check of header times
      server.closeAllConnections();
    },
  };
};

const listen = (
  server: Server,
  start: (request: IncomingMessage, response: ServerResponse, socket: Duplex, head: Buffer | undefined) => void,
  fail: (socket: Duplex, error: NodeJS.ErrnoException) => void,
): void => {
  const plain = (request: IncomingMessage, response: ServerResponse): void =>
    start(request, response, request.socket, undefined);
  server.on('request', plain);
  server.on('checkContinue', plain); // the backend decides; its 100 is relayed (spec/waypoint.md 4.6.2)
  server.on('checkExpectation', plain);
  server.on('upgrade', (request, socket, head) => {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as never);
    start(request, response, socket, head);
  });
  server.on('connect', (_request, socket) => refuse(socket, replies.routeNotFound));
  server.on('clientError', (error, socket) => fail(socket, error));
};

const isWebsocketUpgrade = (request: IncomingMessage): boolean =>
  request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket';

const replyOfParseError = (error: NodeJS.ErrnoException): LocalReply | undefined => {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return replies.headersTooLarge;
    case 'HPE_INVALID_TRANSFER_ENCODING': {
      const both = (error as { reason?: string }).reason?.includes('Content-Length') === true;
      return both ? replies.lengthAndChunked : replies.badTransferEncoding;
    }
    case 'HPE_INVALID_VERSION':
      return replies.lowVersion;
    case 'HPE_INVALID_HEADER_TOKEN':
    case 'HPE_INVALID_URL':
      return replies.invalidCharacters;
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return replies.requestHeaderTimeout;
    case 'HPE_INVALID_EOF_STATE':
      return undefined;
    default:
      return error.code?.startsWith('HPE_') === true ? replies.badFraming : undefined;
  }
};

/** Answers on a socket that no request owns, and ends it. */
const refuse = (socket: Duplex, reply: LocalReply | undefined): void => {
  if (reply === undefined || !socket.writable) {
    socket.destroy();
    return;
  }
  const { headers, body } = renderLocalReply(reply, undefined);
  headers.append('date', new Date().toUTCString());
  headers.append('server', 'istio-envoy');
  headers.append('connection', 'close');
  let head = `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n`;
  for (const [name, value] of headers) head += `${name}: ${value}\r\n`;
  socket.end(`${head}\r\n${typeof body === 'string' ? body : ''}`);
};

class Http1Exchange implements Exchange {
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1';
  readonly head: Exchange['head'];
  readonly hasBody: boolean;
  readonly body: IncomingMessage;
  readonly isWebsocket: boolean;
  readonly sink: ServerResponse;
  onClosed: ((complete: boolean) => void) | undefined;
  readonly #response: ServerResponse;
  readonly #socket: Duplex;
  readonly #early: Buffer | undefined;
  readonly #isDraining: () => boolean;
  #isUpgraded = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    early: Buffer | undefined,
    isDraining: () => boolean,
  ) {
    const headers = HeaderList.fromRaw(request.rawHeaders);
    this.protocol = request.httpVersion === '1.1' ? 'HTTP/1.1' : 'HTTP/1.0';
    this.head = {
      method: request.method ?? '',
      target: request.url ?? '',
      scheme: headers.get('x-forwarded-proto') === 'https' ? 'https' : 'http',
      authority: headers.get('host') ?? '',
      headers,
    };
    this.hasBody =
      early === undefined && (headers.has('transfer-encoding') || (headers.get('content-length') ?? '0') !== '0');
    this.body = request;
    this.isWebsocket = early !== undefined;
    this.sink = response;
    this.#response = response;
    this.#socket = socket;
    this.#early = early;
    this.#isDraining = isDraining;
    request.on('error', ignore);
    response.on('error', ignore);
    response.on('close', () => this.#closed());
    if (this.isWebsocket) socket.on('close', () => this.#closed());
    response.sendDate = false;
  }

  get isRequestComplete(): boolean {
    return !this.hasBody || this.body.complete;
  }

  requestTrailers(): readonly string[] {
    return this.body.rawTrailers;
  }

  interim(status: number, headers: HeaderList): void {
    if (this.#response.headersSent || !this.#socket.writable) return;
    if (status === 100) this.#response.writeContinue();
    else if (status === 103) this.#response.writeEarlyHints(Object.fromEntries(headers) as never);
    else if (status === 102) this.#response.writeProcessing();
  }

  respond(status: number, headers: HeaderList, options: { endStream: boolean; closeConnection: boolean }): void {
    const response = this.#response;
    const close = options.closeConnection || this.isWebsocket || this.#isDraining() || !response.shouldKeepAlive;
    if (close) headers.set('connection', 'close');
    else response.removeHeader('connection'); // marks it as handled: HTTP/1.1 keeps the connection without saying so
    response.writeHead(status, headers.toRaw());
    if (this.isWebsocket) response.once('finish', () => this.#socket.end());
    if (options.endStream) response.end();
    else response.flushHeaders();
  }

  end(trailers: readonly string[] | undefined): void {
    if (trailers !== undefined && trailers.length > 0 && !this.#response.writableEnded) {
      try {
        this.#response.addTrailers(pairs(trailers) as never);
      } catch {
        // not chunked: HTTP/1.1 has no place for trailers there
      }
    }
    this.#response.end();
  }

  upgrade(headers: HeaderList): Duplex {
    this.#isUpgraded = true;
    this.#response.detachSocket(this.#socket as never);
    let text = 'HTTP/1.1 101 Switching Protocols\r\n';
    for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
    this.#socket.write(`${text}\r\n`);
    if (this.#early !== undefined && this.#early.length > 0) this.#socket.unshift(this.#early);
    return this.#socket;
  }

  abort(reason: Error): void {
    this.#socket.destroy(reason);
  }

  #closed(): void {
    const onClosed = this.onClosed;
    this.onClosed = undefined;
    onClosed?.(this.#isUpgraded || this.#response.writableFinished);
  }
}

const ignore = (): void => undefined;

const pairs = (raw: readonly string[]): [string, string][] => {
  const result: [string, string][] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) result.push([raw[index] as string, raw[index + 1] as string]);
  return result;
};
