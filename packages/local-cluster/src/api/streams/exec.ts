/**
 * exec and attach over WebSocket, subprotocols v5 and v4.channel.k8s.io (spec/local-cluster.md 7.3). In: the handshake
 * and the pod's streams; out: channels 0 to 4 carried until the command ends, then its Status. Main thread.
 */

import type { IncomingMessage } from 'node:http';
import { PassThrough, Writable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { Logger } from '@ambit/runtime/log';
import type { KubeObject } from '../../store/kube-object.ts';
import { isTrue } from '../http/request-info.ts';
import { isObject } from '../json.ts';
import type { ExecRequest, PodStreams, TerminalSize } from '../pod-streams.ts';

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const maxMessageBytes = 4 * 1024 * 1024;

/** What a stream request brings. */
export interface StreamRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly pod: KubeObject;
  readonly streams: PodStreams;
  readonly query: URLSearchParams;
  readonly log: Logger;
}

const server = new WebSocketServer({
  noServer: true,
  maxPayload: maxMessageBytes,
  perMessageDeflate: false,
  handleProtocols: (offered) => protocols.find((name) => offered.has(name)) ?? false,
});

function frame(id: number, data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([id]), data]);
}

/** A stream whose chunks become messages of a channel. */
function channelWriter(socket: WebSocket, id: number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (socket.readyState === socket.OPEN) socket.send(frame(id, chunk), (error) => done(error ?? null));
      else done(new Error('the client left'));
    },
  });
}

function sizeOf(data: Buffer): TerminalSize | undefined {
  try {
    const value: unknown = JSON.parse(data.toString('utf8'));
    if (!isObject(value)) return undefined;
    return { width: Number(value['Width'] ?? 0), height: Number(value['Height'] ?? 0) };
  } catch {
    return undefined;
  }
}

function statusOf(exitCode: number): object {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

const failureOf = (error: unknown): object => ({
  metadata: {},
  status: 'Failure',
  message: error instanceof Error ? error.message : 'failed',
  reason: 'InternalError',
  code: 500,
});

async function run(
  socket: WebSocket,
  options: StreamRequest & { container: string; isAttach: boolean },
): Promise<void> {
  const { query, pod, container, streams, isAttach } = options;
  const gone = new AbortController();
  const resizes = new Set<(size: TerminalSize) => void>();
  const stdin = isTrue(query.get('stdin')) ? new PassThrough() : undefined;
  socket.on('message', (raw: Buffer) => {
    const id = raw[0];
    const data = raw.subarray(1);
    if (id === channel.stdin) stdin?.write(data);
    else if (id === channel.resize) {
      const size = sizeOf(data);
      if (size !== undefined) for (const listener of resizes) listener(size);
    } else if (id === channel.close && data[0] === channel.stdin) stdin?.end();
  });
  socket.on('close', () => {
    stdin?.end();
    gone.abort();
  });
  const tty = isTrue(query.get('tty'));
  const request: ExecRequest = {
    pod,
    container,
    command: isAttach ? [] : query.getAll('command'),
    tty,
    stdin,
    stdout: isTrue(query.get('stdout')) ? channelWriter(socket, channel.stdout) : undefined,
    stderr: isTrue(query.get('stderr')) && !tty ? channelWriter(socket, channel.stderr) : undefined,
    onResize: (listener) => void resizes.add(listener),
    signal: gone.signal,
  };
  for (const stream of [request.stdout, request.stderr, stdin]) stream?.on('error', () => undefined);
  let status: object;
  try {
    const result = isAttach ? await streams.attach(request) : await streams.exec(request);
    status = statusOf(result.exitCode);
  } catch (error) {
    status = failureOf(error);
  }
  if (socket.readyState !== socket.OPEN) return;
  socket.send(frame(channel.error, Buffer.from(JSON.stringify(status))), () => socket.close(1000));
}

/** Accepts the handshake and runs the command. */
export function serveExec(options: StreamRequest & { readonly container: string; readonly isAttach: boolean }): void {
  server.handleUpgrade(options.request, options.socket, options.head, (socket) => {
    socket.on('error', (error) => options.log.debug('exec connection failed', { error: error.message }));
    run(socket, options).catch((error: unknown) => {
      options.log.warn('exec failed', { error: String(error) });
      socket.terminate();
    });
  });
}
