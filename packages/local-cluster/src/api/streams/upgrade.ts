/**
 * Upgraded connections: exec, attach and portforward over WebSocket or SPDY/3.1 (spec/local-cluster.md 7.3). In: an
 * upgrade request; out: a running stream, or an error answer on the raw socket. Called by the listener.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@ambit/runtime/log';
import { notFound, notImplemented, pathNotFound, statusError } from '../status.ts';
import { ApiError } from '../status.ts';
import { requestInfo } from '../http/request-info.ts';
import type { RequestInfo } from '../http/request-info.ts';
import { Exchange } from '../http/exchange.ts';
import { authenticate, authorize } from '../http/router.ts';
import type { RouterServices } from '../http/router.ts';
import { chooseContainer, isStream } from './log.ts';
import { serveExec } from './exec.ts';
import { serveExecSpdy } from './exec-spdy.ts';
import { servePortForwardSpdy, servePortForwardTunnel, tunnelProtocol } from './port-forward-spdy.ts';
import { wantsSpdy } from './spdy-upgrade.ts';
import { servePortForward } from './port-forward.ts';

function refuse(socket: Duplex, error: unknown): void {
  const status = ApiError.is(error)
    ? error.status
    : statusError(500, undefined, error instanceof Error ? error.message : 'failed').status;
  const body = JSON.stringify(status);
  socket.end(
    `HTTP/1.1 ${status.code ?? 500} ${status.reason ?? 'Error'}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function check(info: RequestInfo | undefined): asserts info is RequestInfo & { subresource: string } {
  if (info?.resource !== 'pods' || info.subresource === undefined || !isStream(info.subresource)) throw pathNotFound();
}

const offersTunnel = (header: string | undefined): boolean =>
  (header ?? '').split(',').some((name) => name.trim() === tunnelProtocol);

/** Serves an upgrade request; never rejects. */
export async function serveUpgrade(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  services: RouterServices,
  log: Logger,
): Promise<void> {
  try {
    const exchange = new Exchange(request, undefined as never);
    await authenticate(exchange, services);
    const found = requestInfo(exchange.method, exchange.path, exchange.query);
    const info = found === undefined ? undefined : { ...found, verb: 'create' };
    authorize(exchange, info, services.authorizer);
    check(info);
    const pod = services.environment.store.get('pods', info.namespace ?? '', info.name ?? '');
    if (pod === undefined) throw notFound({ group: '', resource: 'pods' }, info.name ?? '');
    const streams = services.podStreams();
    if (streams === undefined) throw notImplemented('this server runs no pods');
    const base = { request, socket, head, pod, streams, query: exchange.query, log };
    const isSpdy = wantsSpdy(exchange.header('upgrade'));
    if (!isSpdy && (exchange.header('upgrade') ?? '').toLowerCase() !== 'websocket') {
      throw statusError(400, 'BadRequest', 'only upgrades to WebSocket and SPDY/3.1 are served');
    }
    if (info.subresource === 'portforward') {
      if (isSpdy) return servePortForwardSpdy(base);
      if (offersTunnel(exchange.header('sec-websocket-protocol'))) return servePortForwardTunnel(base);
      return servePortForward(base);
    }
    const container = chooseContainer(pod, exchange.query.get('container') ?? '');
    const command = { ...base, container, isAttach: info.subresource === 'attach' };
    if (isSpdy) serveExecSpdy(command);
    else serveExec(command);
  } catch (error) {
    refuse(socket, error);
  }
}
