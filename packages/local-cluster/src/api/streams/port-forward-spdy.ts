/**
 * Port forwarding over SPDY/3.1 (spec/local-cluster.md 7.3): plain, or inside a WebSocket as kubectl does since 1.30.
 * Each connection is two streams of one `requestid`: error and data. In: the handshake and the pod's network; out: data
 * joined, failures as text on the error stream. Main thread.
 */

import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { StreamRequest } from './command.ts';
import { acceptSpdy } from './spdy-upgrade.ts';
import { SpdySession } from './spdy/session.ts';
import type { SpdyStream } from './spdy/session.ts';

const protocol = 'portforward.k8s.io';
const pairMs = 30_000;

/** The WebSocket subprotocol of the tunnel. */
export const tunnelProtocol = `SPDY/3.1+${protocol}`;

const server = new WebSocketServer({ noServer: true, maxPayload: 4 * 1024 * 1024, perMessageDeflate: false });
// `ws` refuses this name because of its `/`, so the answer is added by hand and the request's header is hidden from it.
server.on('headers', (headers) => headers.push(`Sec-WebSocket-Protocol: ${tunnelProtocol}`));

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  readonly timer: NodeJS.Timeout;
}

function portOf(stream: SpdyStream): number {
  const port = Number(stream.headers.get('port') ?? '');
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Error(`unable to parse port ${JSON.stringify(stream.headers.get('port') ?? '')}`);
  }
  return port;
}

/** Joins the data stream with the pod; ends both streams in every case. */
async function join(options: StreamRequest, data: SpdyStream, error: SpdyStream, signal: AbortSignal): Promise<void> {
  error.resume();
  const fail = (cause: unknown): void => {
    if (!error.writableEnded) error.end(cause instanceof Error ? cause.message : 'failed');
    data.destroy();
  };
  let target: Duplex;
  try {
    target = await options.streams.portForward({ pod: options.pod, port: portOf(data), signal });
  } catch (cause) {
    fail(cause);
    return;
  }
  if (data.destroyed) {
    target.destroy();
    return;
  }
  target.on('error', fail);
  target.on('close', () => {
    if (!error.writableEnded) error.end();
    if (!data.writableEnded) data.destroy();
  });
  data.on('close', () => target.destroy());
  data.pipe(target);
  target.pipe(data);
}

function serve(options: StreamRequest, transport: Duplex, head?: Buffer): void {
  const gone = new AbortController();
  const pairs = new Map<string, Pair>();
  const drop = (id: string): void => {
    const pair = pairs.get(id);
    pairs.delete(id);
    pair?.error?.destroy();
    pair?.data?.destroy();
  };
  const onStream = (stream: SpdyStream): void => {
    const id = stream.headers.get('requestid') ?? '';
    const type = stream.headers.get('streamtype') ?? '';
    const pair = pairs.get(id) ?? { timer: setTimeout(() => drop(id), pairMs).unref() };
    pairs.set(id, pair);
    if (type !== 'error' && type !== 'data') {
      stream.destroy();
      return;
    }
    pair[type] = stream;
    if (pair.error === undefined || pair.data === undefined) return;
    clearTimeout(pair.timer);
    pairs.delete(id);
    void join(options, pair.data, pair.error, gone.signal);
  };
  const session = new SpdySession({
    role: 'server',
    transport,
    ...(head === undefined ? {} : { head }),
    onStream,
    onClose: (error) => {
      gone.abort();
      for (const pair of pairs.values()) clearTimeout(pair.timer);
      if (error !== undefined) options.log.debug('port-forward connection failed', { error: error.message });
    },
  });
  gone.signal.addEventListener('abort', () => session.destroy(), { once: true });
}

/** Accepts a plain SPDY handshake; throws 403 when the protocol differs. */
export function servePortForwardSpdy(options: StreamRequest): void {
  acceptSpdy(options, protocol);
  serve(options, options.socket, options.head);
}

/** Accepts a WebSocket handshake with the subprotocol of the tunnel. */
export function servePortForwardTunnel(options: StreamRequest): void {
  delete options.request.headers['sec-websocket-protocol'];
  server.handleUpgrade(options.request, options.socket, options.head, (socket) => {
    serve(options, createWebSocketStream(socket));
  });
}
