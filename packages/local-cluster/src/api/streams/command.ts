/**
 * A command of exec or attach, whatever carries its streams. In: the client's ends; out: the Status that tells how it
 * went (spec/local-cluster.md 7.3). Called by the WebSocket and the SPDY side. Main thread.
 */

import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Logger } from '@ambit/runtime/log';
import type { KubeObject } from '../../store/kube-object.ts';
import { isTrue } from '../http/request-info.ts';
import { isObject } from '../json.ts';
import type { ExecRequest, PodStreams, TerminalSize } from '../pod-streams.ts';

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

/** A stream request for a command. */
export interface CommandRequest extends StreamRequest {
  readonly container: string;
  readonly isAttach: boolean;
}

/** The client's ends of a command; those it did not ask for are undefined. */
export interface CommandStreams {
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly onResize: ExecRequest['onResize'];
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
}

/** The streams a client asks for in the query; a terminal has no stderr of its own. */
export function askedStreams(query: URLSearchParams): {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
} {
  const tty = isTrue(query.get('tty'));
  return {
    stdin: isTrue(query.get('stdin')),
    stdout: isTrue(query.get('stdout')),
    stderr: isTrue(query.get('stderr')) && !tty,
    tty,
  };
}

/** The terminal size in a message of the resize channel; undefined when it is none. */
export function parseSize(data: Buffer): TerminalSize | undefined {
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

/** Runs the command to its end; answers with the Status as JSON. Never rejects. */
export async function runCommand(options: CommandRequest, ends: CommandStreams): Promise<Buffer> {
  const { query, pod, container, streams, isAttach } = options;
  for (const stream of [ends.stdin, ends.stdout, ends.stderr]) stream?.on('error', () => undefined);
  const { tty } = askedStreams(query);
  const request: ExecRequest = { ...ends, pod, container, command: isAttach ? [] : query.getAll('command'), tty };
  let status: object;
  try {
    const result = isAttach ? await streams.attach(request) : await streams.exec(request);
    status = statusOf(result.exitCode);
  } catch (error) {
    status = failureOf(error);
  }
  return Buffer.from(JSON.stringify(status));
}
