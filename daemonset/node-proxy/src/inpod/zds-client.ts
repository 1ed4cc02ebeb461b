/**
 * One ZDS connection after another to the node agent: requests in, replies out. Main thread.
 *
 * `app.ts` starts it once the first xDS sync is complete; the steps are performed by the workload manager, one request
 * at a time, so that there is exactly one reply per request in order (spec/node-proxy.md 8.3). Reconnects for ever.
 */
import { createBackoff } from '@ambit/runtime/backoff';
import { sleep } from '@ambit/runtime/clock';
import type { Logger } from '@ambit/runtime/log';
import { errorText, NodeProxyError } from '../telemetry/response-flags.ts';
import { createZdsSession, type ZdsSession, type ZdsStep } from './zds-protocol.ts';
import { decodeRequest, encodeAck, encodeHello } from './zds-wire.ts';

/** One packet as it arrived; the receiver owns the descriptors. */
export interface ZdsPacket {
  readonly bytes: Uint8Array;
  readonly fds: readonly number[];
}

/** A connected transport: packets with descriptors, or frames on a stream. */
export interface ZdsTransport {
  /** The next packet; undefined at the end of the connection. Rejects when it broke. */
  receive(): Promise<ZdsPacket | undefined>;
  send(message: Uint8Array): Promise<void>;
  close(): void;
}

/** What performs the steps. A rejection becomes the error text of the reply. */
export interface ZdsStepHandler {
  /** A new connection began: its snapshot is not complete yet. */
  onConnect(): void;
  perform(step: Exclude<ZdsStep, { kind: 'protocol-error' }>): Promise<void>;
  onDisconnect(): void;
}

/** Settings of the client. */
export interface ZdsClientOptions {
  readonly connect: (signal: AbortSignal) => Promise<ZdsTransport>;
  readonly needsNetns: boolean;
  readonly handler: ZdsStepHandler;
  /** Closes a descriptor nobody takes. */
  readonly closeFd: (fd: number) => void;
  /** Called after a protocol error was answered: the process must end with status 1. */
  readonly onProtocolError: (error: Error) => void;
  readonly log: Logger;
  /** The drain began: deletes are still served, adds are refused, nothing reconnects. */
  readonly draining: AbortSignal;
  /** Ends the client: the connection is closed, nothing reconnects. */
  readonly signal: AbortSignal;
}

/**
 * Keeps a connection alive until the drain, and the last one until `signal` aborts: a pod that leaves the mesh ends its
 * connections in the draining process too. Resolves when nothing is connected any more.
 *
 * A draining process must not connect again: it would be the newest one, which gets the adds.
 */
export async function runZdsClient(options: ZdsClientOptions): Promise<void> {
  const { log } = options;
  const signal = AbortSignal.any([options.signal, options.draining]);
  const backoff = createBackoff({ initialMs: 20, maxMs: 15_000 });
  while (!signal.aborted) {
    try {
      const transport = await options.connect(signal);
      if (signal.aborted) return transport.close();
      backoff.reset();
      await serve(transport, options);
      log.warn('connection to the node agent ended');
    } catch (error) {
      if (!signal.aborted) log.warn('failed to connect to the node agent', { error: errorText(error) });
    }
    try {
      await sleep(backoff.next(), { signal });
    } catch {
      return; // only the abort ends the sleep early
    }
  }
}

async function serve(transport: ZdsTransport, options: ZdsClientOptions): Promise<void> {
  const close = (): void => transport.close();
  options.signal.addEventListener('abort', close, { once: true });
  const session = createZdsSession({ needsNetns: options.needsNetns });
  try {
    await transport.send(encodeHello());
    options.handler.onConnect();
    options.log.info('connected to the node agent');
    for (;;) {
      const packet = await transport.receive();
      if (packet === undefined || options.signal.aborted) return;
      if (!(await answer(packet, session, transport, options))) return;
    }
  } finally {
    options.signal.removeEventListener('abort', close);
    transport.close();
    options.handler.onDisconnect();
  }
}

/** Performs one request and replies; false ends the connection. */
async function answer(
  packet: ZdsPacket,
  session: ZdsSession,
  transport: ZdsTransport,
  options: ZdsClientOptions,
): Promise<boolean> {
  const [netns, ...surplus] = packet.fds;
  for (const fd of surplus) options.closeFd(fd);
  let step: ZdsStep;
  try {
    step = session.receive(decodeRequest(packet.bytes, netns));
  } catch (error) {
    if (netns !== undefined) options.closeFd(netns);
    await transport.send(encodeAck(`failure to read message : ${errorText(error)}`));
    return false;
  }
  const isRefused = step.kind === 'start' && options.draining.aborted;
  if (netns !== undefined && (step.kind !== 'start' || isRefused)) options.closeFd(netns);
  if (step.kind === 'protocol-error') {
    await transport.send(encodeAck(`failure to process message : ${step.message}`));
    options.onProtocolError(new NodeProxyError('ERR_NODE_PROXY_ZDS', step.message));
    return false;
  }
  let error = '';
  try {
    if (isRefused) throw new NodeProxyError('ERR_NODE_PROXY_DRAIN', 'the node proxy is draining');
    await options.handler.perform(step);
  } catch (cause) {
    error = `failure to start proxy : ${errorText(cause)}`;
  }
  await transport.send(encodeAck(error));
  return true;
}
