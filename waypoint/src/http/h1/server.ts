/**
 * HTTP/1.1 towards clients: inner bytes of a tunnel -> exchanges (spec/waypoint.md 4.6.2).
 * Path 4, step 4; data thread. Decides nothing about bytes: message-parser.ts does. One request at a time; what a client
 * sends ahead waits in its own connection.
 */
import { type LocalReply, renderLocalReply } from '@ambit/l7';
import { type Endpoint, Region } from '@ambit/net';
import type { ClientLimits, Timeout } from '../client-limits.ts';
import type { Exchange } from '../exchange.ts';
import { replyOfProblem } from './replies.ts';
import { ServerConnection } from './server-connection.ts';
import { responseHead } from './write-head.ts';

/** Settings of a connection, taken when it begins. */
export interface Http1Settings extends ClientLimits {
  readonly keepSpelling: boolean;
}

/** Receives requests, and bytes that were no request and were answered here. */
export interface Http1Handler<Context> {
  onExchange(exchange: Exchange, context: Context): void;
  onRefused(reply: LocalReply, context: Context): void;
  /** A connection was closed for being slow. */
  onTimeout(what: Timeout): void;
}

/** The HTTP/1.1 side of a data thread. */
export interface Http1Server<Context> {
  /** Takes over a connection; `head` are bytes already taken from it, `context` comes back with each exchange. */
  accept(endpoint: Endpoint, head: Buffer, context: Context): void;
  /** From now on every response ends its connection; idle ones end now. */
  drain(): void;
  /** Ends every connection now. */
  destroy(): void;
}

/** Pace at which deadlines of connections are looked at. */
const sweepMs = 100;

/** Makes the server. */
export const createHttp1Server = <Context>(
  settings: () => Http1Settings,
  handler: Http1Handler<Context>,
): Http1Server<Context> => {
  const connections = new Set<ServerConnection>();
  let isDraining = false;
  const sweep = setInterval(() => {
    const now = performance.now();
    for (const connection of connections) connection.check(now);
  }, sweepMs).unref();
  return {
    accept: (endpoint, head, context) => {
      const chosen = settings();
      const connection: ServerConnection = new ServerConnection(endpoint, chosen, {
        onExchange: (exchange) => handler.onExchange(exchange, context),
        onProblem: (problem) => {
          if (problem === 'header-timeout') handler.onTimeout('head');
          const reply = replyOfProblem(problem);
          if (reply !== undefined) handler.onRefused(reply, context);
          return reply === undefined ? undefined : refusal(reply, chosen.serverName);
        },
        onIdle: () => handler.onTimeout('idle'),
        onEnd: () => connections.delete(connection),
        isDraining: () => isDraining,
      });
      connections.add(connection);
      connection.start(head);
    },
    drain: () => {
      isDraining = true;
      for (const connection of connections) connection.closeIfIdle();
    },
    destroy: () => {
      clearInterval(sweep);
      for (const connection of connections) connection.destroy();
    },
  };
};

/** The answer to bytes that no exchange stands for. */
const refusal = (reply: LocalReply, serverName: string): Region => {
  const { headers, body } = renderLocalReply(reply, undefined);
  headers.append('date', new Date().toUTCString());
  headers.append('server', serverName);
  headers.append('connection', 'close');
  if (body.length === 0) headers.append('content-length', '0');
  const text = responseHead(1, reply.status, headers) + (typeof body === 'string' ? body : '');
  return Region.of(Buffer.from(text, 'latin1'));
};
