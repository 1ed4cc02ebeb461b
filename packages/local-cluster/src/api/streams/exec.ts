/**
 * exec and attach over WebSocket, subprotocols v5 and v4.channel.k8s.io (spec/local-cluster.md 7.3). In: the handshake
 * and the pod's streams; out: channels 0 to 4 carried until the command ends, then its Status. Main thread.
 */

import { PassThrough, Writable } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import type { TerminalSize } from '../pod-streams.ts';
import { askedStreams, parseSize, runCommand } from './command.ts';
import type { CommandRequest } from './command.ts';

const channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const maxMessageBytes = 4 * 1024 * 1024;

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

async function run(socket: WebSocket, options: CommandRequest): Promise<void> {
  const asked = askedStreams(options.query);
  const gone = new AbortController();
  const resizes = new Set<(size: TerminalSize) => void>();
  const stdin = asked.stdin ? new PassThrough() : undefined;
  socket.on('message', (raw: Buffer) => {
    const id = raw[0];
    const data = raw.subarray(1);
    if (id === channel.stdin) stdin?.write(data);
    else if (id === channel.resize) {
      const size = parseSize(data);
      if (size !== undefined) for (const listener of resizes) listener(size);
    } else if (id === channel.close && data[0] === channel.stdin) stdin?.end();
  });
  socket.on('close', () => {
    stdin?.end();
    gone.abort();
  });
  const status = await runCommand(options, {
    stdin,
    stdout: asked.stdout ? channelWriter(socket, channel.stdout) : undefined,
    stderr: asked.stderr ? channelWriter(socket, channel.stderr) : undefined,
    onResize: (listener) => void resizes.add(listener),
    signal: gone.signal,
  });
  if (socket.readyState !== socket.OPEN) return;
  socket.send(frame(channel.error, status), () => socket.close(1000));
}

/** Accepts the handshake and runs the command. */
export function serveExec(options: CommandRequest): void {
  server.handleUpgrade(options.request, options.socket, options.head, (socket) => {
    socket.on('error', (error) => options.log.debug('exec connection failed', { error: error.message }));
    run(socket, options).catch((error: unknown) => {
      options.log.warn('exec failed', { error: String(error) });
      socket.terminate();
    });
  });
}
