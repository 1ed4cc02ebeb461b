// In: handlers by path. Out: an HTTP server that answers JSON or HTML and ends cleanly. Called by every service.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a handler gives back. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** Default `application/json`; a string body with `text/html` is sent as it is. */
  readonly contentType?: string;
}

/** Answers one request. */
export type Handler = (request: {
  readonly url: URL;
  readonly method: string;
  readonly body: string;
  readonly raw: IncomingMessage;
}) => Answer | Promise<Answer>;

/** A service that listens. `close` stops accepting and lets open requests finish for one second. */
export interface RunningService {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** Largest request body, in bytes. */
export const bodyLimitBytes = 64 * 1024;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    total += chunk.length;
    if (total > bodyLimitBytes) throw new RangeError(`request body is larger than ${bodyLimitBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** First path segment that matches decides; `/health` is always answered. */
function handlerFor(routes: Readonly<Record<string, Handler>>, path: string): Handler | undefined {
  const exact = routes[path];
  if (exact !== undefined) return exact;
  const prefix = Object.keys(routes).find((key) => key.endsWith('/*') && path.startsWith(key.slice(0, -1)));
  return prefix === undefined ? undefined : routes[prefix];
}

async function answer(routes: Readonly<Record<string, Handler>>, request: IncomingMessage): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://local');
  const { 'x-log': mark } = request.headers;
  if (typeof mark === 'string') process.stdout.write(`${request.method} ${url.pathname} ${mark.slice(0, 64)}\n`);
  if (url.pathname === '/health') return { status: 200, body: { status: 'healthy' } };
  const handler = handlerFor(routes, url.pathname);
  if (handler === undefined) return { status: 404, body: { error: `no such path: ${url.pathname}` } };
  try {
    return await handler({ url, method: request.method ?? 'GET', body: await bodyOf(request), raw: request });
  } catch (error) {
    const status = error instanceof RangeError ? 413 : 500;
    return { status, body: { error: error instanceof Error ? error.message : String(error) } };
  }
}

/** Starts a server on all addresses. Rejects when the port is taken. */
export async function serve(port: number, routes: Readonly<Record<string, Handler>>): Promise<RunningService> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    void answer(routes, request).then(({ status, body, contentType = 'application/json' }) => {
      const text = typeof body === 'string' && contentType !== 'application/json' ? body : `${JSON.stringify(body)}\n`;
      response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(text) });
      response.end(text);
    });
  });
  await listening(server, port);
  return { port: (server.address() as AddressInfo).port, close: async () => closed(server) };
}

async function listening(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      server.removeListener('error', reject);
      server.on('error', (error) => process.stderr.write(`server: ${error.message}\n`));
      resolve();
    });
  });
}

async function closed(server: Server): Promise<void> {
  const deadline = setTimeout(() => server.closeAllConnections(), 1000);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(deadline);
}
