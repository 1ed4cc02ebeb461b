/**
 * ZDS messages as bytes: requests in, replies out. No I/O; used by `zds-client.ts` on the main thread.
 *
 * Message shapes: spec/node-proxy.md 8.2. Every packet is one protobuf message.
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

/** Longest error text of a reply, in bytes of UTF-8; leaves room for the fields around it. */
const MAX_ERROR_BYTES = 900;

/** A reply; an empty error is success. Long errors are cut so that the message fits. */
export function encodeAck(error: string): Uint8Array {
  const bytes = Buffer.from(error);
  // A character that the cut splits becomes U+FFFD (3 bytes at most).
  const text = bytes.length > MAX_ERROR_BYTES ? `${bytes.toString('utf8', 0, MAX_ERROR_BYTES)}...` : error;
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
      return { kind: 'del', uid: payload.value.uid, netns };
    case 'keep':
      return { kind: 'keep', uid: payload.value.uid, netns };
    case 'snapshotSent':
      return { kind: 'snapshot-sent', netns };
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
