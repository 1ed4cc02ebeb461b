// In: HTTP/1.1 requests on a local port. Out: what the route answers, as text, JSON or a stream.
// Called by: app.ts of each process for admin (15000), metrics (15020) and readiness (15021). Main thread.
// Limits (spec node-proxy 9.5): 2 s to send the headers, 8 KiB of headers, 64 KiB of body.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { explain, messageOf } from './errors.ts';
import type { Logger } from './log.ts';
import { readAtMost } from './read-at-most.ts';

// Imported by name, the module would evaluate its WebSocket, and with it load all of undici.
const { createServer } = process.getBuiltinModule('node:http');

/** What a route sees of a request. */
export interface AdminRequest {
  readonly method: string;
  /** Path without the query, as sent. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** True when the caller is on this machine or in this pod; absent in requests that no socket brought. */
  readonly isLocal?: boolean;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
  /** The body; rejects above 64 KiB. */
  text(): Promise<string>;
}

/** What a route answers. */
export interface AdminResponse {
  /** Default 200. */
  readonly status?: number;
  /** Default text/plain; charset=utf-8. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An async iterable is sent piece by piece, with back-pressure. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
}

/** A route; a rejection becomes 500 with the error text. */
export type AdminRoute = (request: AdminRequest) => AdminResponse | Promise<AdminResponse>;

/** Where to listen: an address, a descriptor of a listening socket (made in another network namespace), or a unix socket's path. */
export type AdminAddress =
  | { readonly host: string; readonly port: number }
  | { readonly fd: number }
  | { readonly path: string };

/** An HTTP server for operators. */
export interface AdminServer {
  /** Starts listening; resolves with the real address. */
  listen(address: AdminAddress): Promise<AddressInfo | undefined>;
  /** Stops accepting and resolves when the current answers are finished. */
  close(): Promise<void>;
  /** Ends everything now. */
  destroy(): void;
}

const MAX_BODY_BYTES = 64 * 1024;
const HEADER_TIMEOUT_MS = 2000;
const MAX_HEADER_BYTES = 8 * 1024;

/** Makes an admin server. A route key is an exact path, or a prefix that ends with `/*`; any method reaches the route. */
export function createAdminServer(options: { routes: Readonly<Record<string, AdminRoute>>; log: Logger }): AdminServer {
  const { routes, log } = options;
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADER_TIMEOUT_MS,
    keepAliveTimeout: HEADER_TIMEOUT_MS,
    connectionsCheckingInterval: HEADER_TIMEOUT_MS / 2,
  });
  server.on('request', (request, response) => {
    answer(request, response, routes, log).catch((error: unknown) => {
      log.debug('admin answer failed', { path: request.url?.slice(0, 200), error: messageOf(error) });
      response.destroy();
    });
  });
  server.on('error', (error) => log.error('admin server failed', { error: explain(error) }));
  let closing: Promise<void> | undefined;
  return {
    listen: async (address) => startListening(server, address),
    async close() {
      closing ??= new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      });
      await closing;
    },
    destroy() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function startListening(server: Server, address: AdminAddress): Promise<AddressInfo | undefined> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound : undefined;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  routes: Readonly<Record<string, AdminRoute>>,
  log: Logger,
): Promise<void> {
  const gone = new AbortController();
  request.on('error', () => gone.abort());
  response.on('error', () => gone.abort());
  response.on('close', () => gone.abort());
  const target = request.url ?? '/';
  const at = target.indexOf('?');
  let path = at < 0 ? target : target.slice(0, at);
  // istioctl asks for `//version`.
  while (path.startsWith('//')) path = path.slice(1);
  const route = routeOf(routes, path);
  let result: AdminResponse;
  try {
    result =
      route === undefined
        ? { status: 404, body: 'not found\n' }
        : await route({
            method: request.method ?? 'GET',
            path,
            query: new URLSearchParams(at < 0 ? '' : target.slice(at + 1)),
            headers: request.headers,
            isLocal: isLocalPeer(request),
            signal: gone.signal,
            text: async () => readBody(request),
          });
  } catch (error) {
    log.warn('admin request failed', { path: path.slice(0, 200), error: messageOf(error) });
    result = { status: 500, body: `${explain(error)}\n` };
  }
  await send(response, result, request.method === 'HEAD', gone.signal);
}

function routeOf(routes: Readonly<Record<string, AdminRoute>>, path: string): AdminRoute | undefined {
  if (Object.hasOwn(routes, path)) return routes[path];
  let best: string | undefined;
  for (const key of Object.keys(routes)) {
    if (key.endsWith('/*') && path.startsWith(key.slice(0, -1)) && key.length > (best?.length ?? 0)) best = key;
  }
  return best === undefined ? undefined : routes[best];
}

async function send(
  response: ServerResponse,
  result: AdminResponse,
  headOnly: boolean,
  gone: AbortSignal,
): Promise<void> {
  const { status = 200, contentType = 'text/plain; charset=utf-8', headers = {}, body = '' } = result;
  response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff', ...headers });
  if (headOnly || typeof body === 'string' || body instanceof Uint8Array) {
    response.end(headOnly ? undefined : body);
    return;
  }
  for await (const piece of body) {
    if (gone.aborted) return;
    if (!response.write(piece)) await drained(response, gone);
  }
  response.end();
}

async function drained(response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      gone.removeEventListener('abort', done);
      resolve();
    };
    response.on('drain', done);
    gone.addEventListener('abort', done);
  });
}

async function readBody(request: IncomingMessage): Promise<string> {
  const body = await readAtMost(request, MAX_BODY_BYTES);
  if (body === undefined) throw new Error(`request body is larger than ${MAX_BODY_BYTES} bytes`);
  return body.toString('utf8');
}

/** A peer on a loopback address, or on the very address that was called. */
function isLocalPeer({ socket }: IncomingMessage): boolean {
  const address = (socket.remoteAddress ?? '').replace('::ffff:', '');
  return (
    address.startsWith('127.') || address === '::1' || (address !== '' && socket.remoteAddress === socket.localAddress)
  );
}
