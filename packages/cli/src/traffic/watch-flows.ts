// Flows from one replica of the control plane. In: a connection to its port 15012, the root certificate, the user's token. Out: batches of
// flows until the signal. gRPC over core http2: one call, no library on the way. Called by
// control-plane-flows.ts.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { once } from 'node:events';
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { Telemetry, WatchRequestSchema, type WatchResponse, WatchResponseSchema } from '@ambit/proto/telemetry';
import { CliError } from '../errors.ts';

/** What to watch, and how to be let in. */
export interface FlowWatch {
  /** A connection to port 15012 of the control plane; destroyed at the end. */
  readonly connection: Duplex;
  readonly rootPem: string;
  /** Name in the certificate of the control plane. */
  readonly serverName: string;
  readonly token: string;
  /** '' = all namespaces. */
  readonly namespace: string;
  /** Flows a second of each proxy. */
  readonly maxPerSecond: number;
}

const CONNECT_MS = 10_000;
/** Largest message that is read. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const HEAD_BYTES = 5;

/** Messages out of the bytes of a gRPC stream: a flag, four bytes of length, the message. */
export async function* messagesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    while (held.length >= HEAD_BYTES) {
      const length = held.readUInt32BE(1);
      if (held[0] !== 0 || length > MAX_MESSAGE_BYTES)
        throw new CliError('ERR_CLI_ADMIN', `the control plane sent a message of ${length} bytes that is not readable`);
      if (held.length < HEAD_BYTES + length) break;
      yield held.subarray(HEAD_BYTES, HEAD_BYTES + length);
      held = held.subarray(HEAD_BYTES + length);
    }
  }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEAD_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

const UNIMPLEMENTED = 12;
/** PERMISSION_DENIED and UNAUTHENTICATED. */
const REFUSALS: ReadonlySet<number> = new Set([7, 16]);

/** gRPC writes messages as in URLs; one that is broken is shown as it came. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The failure that trailers tell; undefined for success. */
function failureOf(headers: IncomingHttpHeaders): CliError | undefined {
  const code = Number(headers['grpc-status'] ?? 0);
  if (code === 0) return undefined;
  const text = decoded(String(headers['grpc-message'] ?? `status ${code}`));
  if (code === UNIMPLEMENTED) return new CliError('ERR_CLI_NOT_FOUND', 'this control plane takes no flows');
  if (!REFUSALS.has(code)) return new CliError('ERR_CLI_ADMIN', text);
  return new CliError('ERR_CLI_REFUSED', text, {
    hint: 'a role with verb watch on flows.telemetry.ambit.io, or -n for a namespace where you have it',
  });
}

/** Watches until `signal`, or until the control plane ends the stream. Throws CliError when it refuses. */
export async function* watchFlows(watch: FlowWatch, signal: AbortSignal): AsyncGenerator<WatchResponse> {
  const { connection, rootPem, serverName, token, namespace, maxPerSecond } = watch;
  const tls = connectTls({ socket: connection, ca: rootPem, servername: serverName, ALPNProtocols: ['h2'] });
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  try {
    await once(tls, 'secureConnect', { signal: deadline });
    const session = connect(`https://${serverName}`, { createConnection: () => tls });
    session.on('error', () => undefined);
    const call: ClientHttp2Stream = session.request(
      {
        ':method': 'POST',
        ':path': `/${Telemetry.typeName}/${Telemetry.method.watch.name}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
      },
      { signal },
    );
    let failure: CliError | undefined;
    const look = (headers: IncomingHttpHeaders): void => void (failure ??= failureOf(headers));
    call.on('response', look);
    call.on('trailers', look);
    call.end(
      framed(toBinary(WatchRequestSchema, create(WatchRequestSchema, { namespace, maxFlowsPerSecond: maxPerSecond }))),
    );
    for await (const message of messagesOf(call)) yield fromBinary(WatchResponseSchema, message);
    if (failure !== undefined) throw failure;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    tls.destroy();
    connection.destroy();
  }
}
