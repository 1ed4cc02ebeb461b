/**
 * exec and attach over SPDY/3.1, protocol v4.channel.k8s.io (spec/local-cluster.md 7.3): kubectl after a refused
 * WebSocket, Go programs with the older executor. In: the handshake and the pod's streams; out: the streams by their
 * `streamtype` joined until the command ends, then its Status. Main thread.
 */

import { finished } from 'node:stream/promises';
import type { TerminalSize } from '../pod-streams.ts';
import { askedStreams, parseSize, runCommand } from './command.ts';
import type { CommandRequest } from './command.ts';
import { acceptSpdy } from './spdy-upgrade.ts';
import { SpdySession } from './spdy/session.ts';
import type { SpdyStream } from './spdy/session.ts';

const protocol = 'v4.channel.k8s.io';
const openMs = 30_000;

function expectedTypes(query: URLSearchParams): string[] {
  const { stdin, stdout, stderr, tty } = askedStreams(query);
  return [
    'error',
    ...(stdin ? ['stdin'] : []),
    ...(stdout ? ['stdout'] : []),
    ...(stderr ? ['stderr'] : []),
    ...(tty ? ['resize'] : []),
  ];
}

/** Resize messages are JSON objects one after the other, each in one write of the client. */
function onResizes(stream: SpdyStream | undefined, listener: (size: TerminalSize) => void): void {
  stream?.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString('utf8').split('\n')) {
      const size = line === '' ? undefined : parseSize(Buffer.from(line));
      if (size !== undefined) listener(size);
    }
  });
}

async function run(
  options: CommandRequest,
  session: SpdySession,
  streams: ReadonlyMap<string, SpdyStream>,
  gone: AbortSignal,
): Promise<void> {
  const listeners = new Set<(size: TerminalSize) => void>();
  onResizes(streams.get('resize'), (size) => {
    for (const listener of listeners) listener(size);
  });
  const status = await runCommand(options, {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    onResize: (listener) => void listeners.add(listener),
    signal: gone,
  });
  streams.get('error')?.end(status);
  const outputs = [...streams].filter(([type]) => type !== 'stdin' && type !== 'resize').map(([, stream]) => stream);
  for (const stream of outputs) if (!stream.writableEnded) stream.end();
  await Promise.allSettled(outputs.map(async (stream) => finished(stream, { readable: false })));
  session.close();
}

/** Accepts the handshake and runs the command as soon as all streams are there. */
export function serveExecSpdy(options: CommandRequest): void {
  acceptSpdy(options, protocol);
  const { log } = options;
  const missing = new Set(expectedTypes(options.query));
  const streams = new Map<string, SpdyStream>();
  const gone = new AbortController();
  const timer = setTimeout(() => session.destroy(new Error('the client opened too few streams')), openMs);
  timer.unref();
  const session = new SpdySession({
    role: 'server',
    transport: options.socket,
    head: options.head,
    onStream: (stream) => {
      const type = stream.headers.get('streamtype') ?? '';
      if (!missing.delete(type)) {
        stream.destroy();
        return;
      }
      streams.set(type, stream);
      if (missing.size > 0) return;
      clearTimeout(timer);
      run(options, session, streams, gone.signal).catch((error: unknown) => {
        log.warn('exec failed', { error: String(error) });
        session.destroy();
      });
    },
    onClose: (error) => {
      clearTimeout(timer);
      gone.abort();
      if (error !== undefined) log.debug('exec connection failed', { error: error.message });
    },
  });
}
