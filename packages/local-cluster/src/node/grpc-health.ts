// A gRPC probe: asks `grpc.health.v1.Health/Check` over a connection to the container. Comes in: the connection, the name of a
// service. Goes out: nothing, or the reason why it is not healthy, in the kubelet's words. Called by probe.ts.
import { connect } from 'node:http2';
import type { Duplex } from 'node:stream';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Statuses of `HealthCheckResponse`, by number. */
const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const SERVING = 1;
const UNIMPLEMENTED = '12';
/** An answer is two bytes; more than this is no answer. */
const MAX_ANSWER_BYTES = 1024;
const STATUS_FIELD = 1;
const SERVICE_TAG = (1 << 3) | WireType.LengthDelimited;

/** Asks once; takes the connection over and ends it. Rejects unless the service says that it serves. */
export async function requestGrpcHealth(connection: Duplex, service: string, timeoutMs: number): Promise<void> {
  const session = connect('http://pod', { createConnection: () => connection });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(
    () => reject(new Error(`timeout: health rpc did not complete within ${timeoutMs} ms`)),
    timeoutMs,
  );
  session.on('error', reject);
  session.on('close', () => reject(new Error('the connection was closed before an answer came')));
  const stream = session.request({
    ':method': 'POST',
    ':path': '/grpc.health.v1.Health/Check',
    'content-type': 'application/grpc',
    'user-agent': 'kube-probe/1.36',
    te: 'trailers',
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  let code: string | undefined;
  const take = (headers: Readonly<Record<string, unknown>>): void => {
    const status = headers['grpc-status'];
    if (typeof status === 'string') code = status;
  };
  stream.on('error', reject);
  stream.on('response', take);
  stream.on('trailers', take);
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) reject(new Error('the answer is too long for a health check'));
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    const reason = reasonAgainst(code, Buffer.concat(chunks));
    if (reason === undefined) resolve();
    else reject(new Error(reason));
  });
  stream.end(messageOf(service));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    session.destroy();
    connection.destroy();
  }
}

/** `HealthCheckRequest` with the five bytes that begin every gRPC message. */
function messageOf(service: string): Buffer {
  const message = service === '' ? new Uint8Array() : new BinaryWriter().uint32(SERVICE_TAG).string(service).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function reasonAgainst(code: string | undefined, answer: Buffer): string | undefined {
  if (code === UNIMPLEMENTED) return 'this server does not implement the grpc health protocol (grpc.health.v1.Health)';
  if (code !== '0') return `health rpc failed with status ${code ?? 'unknown'}`;
  const status = statusOf(answer);
  return status === SERVING ? undefined : `service unhealthy (responded with "${STATUSES[status] ?? status}")`;
}

/** The status of an answer; one that cannot be read is UNKNOWN. */
function statusOf(answer: Buffer): number {
  try {
    const reader = new BinaryReader(answer.subarray(5));
    let status = 0;
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === STATUS_FIELD && type === WireType.Varint) status = reader.int32();
      else reader.skip(type);
    }
    return status;
  } catch {
    return 0;
  }
}
