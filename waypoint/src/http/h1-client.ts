/**
 * HTTP/1.1 towards backends, with kept-alive connections inside tunnels (spec/waypoint.md 5.2).
 * Path 4, step 9: called by upstream/forward.ts on the data thread.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { HeaderList } from '@ambit/l7';
import { UpstreamError } from '../errors.ts';
import type { RequestBody } from './request-body.ts';

/** One request as a backend gets it. */
export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly scheme: string;
  /** Ready to send: hop-by-hop fields are gone, `host` is left out. */
  readonly headers: HeaderList;
  readonly body: RequestBody;
  readonly hasBody: boolean;
  readonly trailers: () => readonly string[];
  readonly isWebsocket: boolean;
}

/** A response whose body is still to come. */
export interface UpstreamResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: IncomingMessage | (NodeJS.ReadableStream & import('node:stream').Readable);
  trailers(): readonly string[];
  /** The raw connection after 101. */
  readonly upgraded: Duplex | undefined;
}

/** A try in flight. */
export interface UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  /** Gives up; the response promise rejects with the reason. */
  cancel(reason: Error): void;
  /** True when at least one byte of the request may have reached the backend. */
  readonly requestSent: boolean;
}

/** Opens a connection to the endpoint that `key` stands for; rejects with UpstreamError. */
export type OpenConnection = () => Promise<Duplex>;

/** Free connections are closed before common servers close them (Node's own default is 5 s). */
const idleMs = 4000;

interface TargetOptions {
  readonly ambitKey: string;
  readonly ambitOpen: OpenConnection;
}

/** The HTTP/1.1 side towards backends of a data thread. */
export interface Http1Client {
  send(key: string, open: OpenConnection, request: UpstreamRequest, onInterim: InterimListener): UpstreamCall;
  close(): void;
}

/** Receives 1xx responses. */
export type InterimListener = (status: number, headers: HeaderList) => void;

/** Makes the client. */
export const createHttp1Client = (): Http1Client => {
  const agent = new TunnelAgent();
  return {
    send: (key, open, request, onInterim) => new Http1Call(agent, key, open, request, onInterim),
    close: () => agent.destroy(),
  };
};

/** Pools connections by key; dials by the `open` function that came with the request. */
class TunnelAgent extends Agent {
  readonly #idle = new WeakMap<Duplex, () => void>();

  constructor() {
    super({ keepAlive: true, maxFreeSockets: 1024, scheduling: 'lifo' });
  }

  override getName(options?: object): string {
    return (options as TargetOptions | undefined)?.ambitKey ?? '';
  }

  override createConnection(options: object, done: (error: Error | null, socket: Duplex) => void): undefined {
    const { ambitOpen } = options as TargetOptions;
    void connectFor(ambitOpen, done);
    return undefined;
  }

  /** A free connection that says anything, or ends, is of no use any more. */
  override keepSocketAlive(socket: Duplex): boolean {
    if (socket.destroyed || !socket.writable || socket.readableEnded) return false;
    const drop = (): void => {
      clearTimeout(timer);
      socket.destroy();
    };
    const timer = setTimeout(drop, idleMs).unref();
    socket.on('data', drop);
    socket.on('end', drop);
    socket.on('close', drop);
    this.#idle.set(socket, () => {
      clearTimeout(timer);
      socket.off('data', drop);
      socket.off('end', drop);
      socket.off('close', drop);
    });
    socket.resume();
    return true;
  }

  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    this.#idle.get(socket)?.();
    this.#idle.delete(socket);
    super.reuseSocket(socket, request);
  }
}

/** Never rejects: the outcome goes to the agent's callback. */
const connectFor = async (open: OpenConnection, done: (error: Error | null, socket: Duplex) => void): Promise<void> => {
  let socket: Duplex;
  try {
    socket = await open();
  } catch (error) {
    done(error as Error, undefined as never);
    return;
  }
  done(null, socket);
};

class Http1Call implements UpstreamCall {
  readonly response: Promise<UpstreamResponse>;
  requestSent = false;
  readonly #request: ClientRequest;
  #cancelled: Error | undefined;

  constructor(
    agent: TunnelAgent,
    key: string,
    open: OpenConnection,
    request: UpstreamRequest,
    onInterim: InterimListener,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamResponse>();
    this.response = promise;
    const options: TargetOptions & Record<string, unknown> = { ambitKey: key, ambitOpen: open };
    const client = httpRequest({
      ...options,
      agent,
      method: request.method,
      path: request.target,
      headers: headersOf(request) as never,
      maxHeaderSize: 256 * 1024,
    });
    this.#request = client;
    client.on('socket', () => {
      this.requestSent = true;
    });
    client.on('information', (info) => {
      if (info.statusCode !== 101) onInterim(info.statusCode, HeaderList.fromRaw(info.rawHeaders));
    });
    client.on('response', (message) => resolve(responseOf(message, undefined)));
    client.on('upgrade', (message, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(responseOf(message, socket));
    });
    client.on('error', (error) => reject(this.#cancelled ?? failureOf(error, this.requestSent)));
    client.on('close', () => reject(this.#cancelled ?? new UpstreamError({ kind: 'closed' }, this.requestSent)));
    promise.catch(() => request.body.detach());
    request.body.attach({
      write: (chunk) => client.write(chunk),
      on: (event, listener) => client.on(event, listener),
      off: (event, listener) => client.off(event, listener),
      end: () => endRequest(client, request.trailers()),
    });
  }

  cancel(reason: Error): void {
    this.#cancelled = reason;
    this.#request.destroy(reason);
  }
}

const endRequest = (client: ClientRequest, trailers: readonly string[]): void => {
  if (trailers.length > 0 && client.getHeader('transfer-encoding') !== undefined) {
    const pairs: [string, string][] = [];
    for (let index = 0; index + 1 < trailers.length; index += 2)
      pairs.push([trailers[index] as string, trailers[index + 1] as string]);
    client.addTrailers(pairs as never);
  }
  client.end();
};

/** Host first; a body without length is chunked; cookies of HTTP/2 are one line again. */
const headersOf = (request: UpstreamRequest): string[] => {
  const headers = request.headers.clone();
  headers.remove('host');
  const cookies = headers.getAll('cookie');
  if (cookies.length > 1) headers.set('cookie', cookies.join('; '));
  if (request.isWebsocket) {
    headers.append('connection', 'Upgrade');
    headers.append('upgrade', 'websocket');
  } else if (request.hasBody && !headers.has('content-length')) headers.append('transfer-encoding', 'chunked');
  return ['host', request.authority, ...headers.toRaw()];
};

const responseOf = (message: IncomingMessage, upgraded: Duplex | undefined): UpstreamResponse => {
  message.on('error', () => undefined);
  return {
    status: message.statusCode ?? 0,
    headers: HeaderList.fromRaw(message.rawHeaders),
    body: message,
    trailers: () => message.rawTrailers,
    upgraded,
  };
};

const failureOf = (error: NodeJS.ErrnoException, requestSent: boolean): UpstreamError => {
  if (error instanceof UpstreamError) return error;
  const code = error.code ?? '';
  if (code.startsWith('HPE_')) return new UpstreamError({ kind: 'protocol' }, requestSent, error);
  return new UpstreamError({ kind: 'closed' }, requestSent, error);
};
