/** One gRPC message there and one back, over {@link CallBackend} (gRPC over HTTP/2). Used by ask-service.ts, ask-rate-limit.ts, tracing. Data thread. */
import { HeaderList } from '@ambit/l7';
import type { BackendAnswer, BackendCall, CallBackend } from './call-backend.ts';

/** A message with its frame in front: not compressed, length in four bytes. */
export const grpcFrame = (message: Uint8Array): Buffer => {
  const frame = Buffer.alloc(5 + message.byteLength);
  frame.writeUInt32BE(message.byteLength, 1);
  frame.set(message, 5);
  return frame;
};

/** Calls a method; resolves with the bytes of its answer, rejects for anything else than one plain message. */
export const callUnary = async (
  call: CallBackend,
  base: Omit<BackendCall, 'method' | 'target' | 'authority' | 'headers' | 'body' | 'isHttp2'>,
  path: string,
  message: Uint8Array,
): Promise<Buffer> => {
  const timeout = `${Math.min(99_999_999, Math.ceil(base.timeoutMs))}m`;
  const answer = await call({
    ...base,
    method: 'POST',
    target: path,
    authority: base.backend.hostname,
    headers: HeaderList.fromRaw(['content-type', 'application/grpc', 'te', 'trailers', 'grpc-timeout', timeout]),
    body: grpcFrame(message),
    isHttp2: true,
  });
  return messageBytes(answer);
};

/** The one uncompressed message of a unary answer; throws for any other answer. */
const messageBytes = ({ status, headers, trailers, body }: BackendAnswer): Buffer => {
  const grpcStatus = trailers.get('grpc-status') ?? headers.get('grpc-status');
  if (status !== 200 || grpcStatus !== '0') {
    throw new Error(`status ${status}, grpc-status ${grpcStatus ?? 'absent'}`);
  }
  if (body.byteLength < 5 || body[0] !== 0 || body.readUInt32BE(1) !== body.byteLength - 5) {
    throw new Error(`answer of ${body.byteLength} bytes is not one plain message`);
  }
  return body.subarray(5);
};
