/**
 * ZDS messages as bytes: requests in, replies out. No I/O; used by `zds-client.ts` on the main thread.
 *
 * Message shapes: spec/node-proxy.md 8.2. Every packet is one protobuf message; the stream transport puts a 32-bit
 * big-endian length in front.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from '@ambit/proto/zds';
import { NodeProxyError } from '../telemetry/response-flags.ts';
import type { ZdsRequest } from './zds-protocol.ts';

/** Longest message either side sends (spec/node-proxy.md 8.1). */
export const ZDS_MESSAGE_LIMIT_BYTES = 1024;

/** The first packet of the proxy: version 1. */
export function encodeHello(): Uint8Array {
  return toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: Version.V1 }));
}

/** A reply; an empty error is success. Long errors are cut so that the message fits. */
export function encodeAck(error: string): Uint8Array {
  const text = error.length > 900 ? `${error.slice(0, 900)}...` : error;
  return toBinary(
    WorkloadResponseSchema,
    create(WorkloadResponseSchema, { payload: { case: 'ack', value: { error: text } } }),
  );
}

/** Reads one request. Throws `ERR_NODE_PROXY_ZDS` when the bytes are none. */
export function decodeRequest(bytes: Uint8Array, netns: number | undefined): ZdsRequest {
  const { payload } = parse(bytes);
  switch (payload.case) {
    case 'add': {
      const info = payload.value.workloadInfo;
      const workload =
        info === undefined
          ? undefined
          : { name: info.name, namespace: info.namespace, serviceAccount: info.serviceAccount };
      return { kind: 'add', uid: payload.value.uid, workload, netns };
    }
    case 'del':
      return { kind: 'del', uid: payload.value.uid };
    case 'keep':
      return { kind: 'keep', uid: payload.value.uid };
    case 'snapshotSent':
      return { kind: 'snapshot-sent' };
    default:
      throw new NodeProxyError('ERR_NODE_PROXY_ZDS', 'request without a known payload');
  }
}

function parse(bytes: Uint8Array) {
  try {
    return fromBinary(WorkloadRequestSchema, bytes);
  } catch (cause) {
    throw new NodeProxyError('ERR_NODE_PROXY_ZDS', `request of ${bytes.length} bytes cannot be read`, { cause });
  }
}

/** Splits a byte stream into frames of `u32 length + message`. Throws `ERR_NODE_PROXY_ZDS` on a frame over the limit. */
export function createFrameReader(): (chunk: Buffer) => Buffer[] {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const frames: Buffer[] = [];
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length > ZDS_MESSAGE_LIMIT_BYTES) {
        throw new NodeProxyError(
          'ERR_NODE_PROXY_ZDS',
          `frame of ${length} bytes is over the limit of ${ZDS_MESSAGE_LIMIT_BYTES} bytes`,
        );
      }
      if (rest.length < 4 + length) break;
      frames.push(rest.subarray(4, 4 + length));
      rest = rest.subarray(4 + length);
    }
    return frames;
  };
}

/** Puts the length in front of a message. */
export function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(message.length);
  return Buffer.concat([head, message]);
}
