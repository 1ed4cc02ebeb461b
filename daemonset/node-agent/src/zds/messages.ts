// In: what the proxy shall do. Out: bytes, and the other way round. Pure. Called by connection.ts. Source: spec node-agent 5.2.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from '@ambit/proto/zds';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { NodeAgentError } from '../errors.ts';
import { messageLimitBytes } from './channel.ts';

/** What a proxy is asked to do. */
export type ZdsRequest =
  | { readonly kind: 'add'; readonly pod: HeldPod }
  | { readonly kind: 'keep'; readonly uid: string }
  | { readonly kind: 'delete'; readonly uid: string }
  | { readonly kind: 'snapshot-sent' };

function payloadOf(request: ZdsRequest): NonNullable<MessageInitShape<typeof WorkloadRequestSchema>['payload']> {
  switch (request.kind) {
    case 'add':
      return { case: 'add', value: { uid: request.pod.uid, workloadInfo: { ...request.pod.workload } } } as const;
    case 'keep':
      return { case: 'keep', value: { uid: request.uid } } as const;
    case 'delete':
      return { case: 'del', value: { uid: request.uid } } as const;
    case 'snapshot-sent':
      return { case: 'snapshotSent', value: {} } as const;
    default:
      return request satisfies never;
  }
}

/** Bytes of a request. Throws ERR_NODE_AGENT_ZDS when they are too many for the proxy's buffer. */
export function encodeRequest(request: ZdsRequest): Uint8Array {
  const bytes = toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload: payloadOf(request) }));
  if (bytes.length <= messageLimitBytes) return bytes;
  throw new NodeAgentError(
    'ERR_NODE_AGENT_ZDS',
    `message of ${bytes.length} bytes is over the limit of ${messageLimitBytes} bytes`,
    {
      hint: 'shorten the names of the pod, its namespace or its service account',
    },
  );
}

/** Checks the first message of a proxy. Throws ERR_NODE_AGENT_ZDS for a version that this agent does not speak. */
export function readHello(bytes: Uint8Array): void {
  const { version } = read(() => fromBinary(ZdsHelloSchema, bytes), bytes);
  if (version !== Version.V1) {
    throw new NodeAgentError(
      'ERR_NODE_AGENT_ZDS',
      `the node proxy speaks version ${version}, this agent speaks ${Version.V1}`,
      {
        hint: 'node agent and node proxy must be at most one version apart',
      },
    );
  }
}

/** Error text of an acknowledgement; empty = success. */
export function readAck(bytes: Uint8Array): string {
  const { payload } = read(() => fromBinary(WorkloadResponseSchema, bytes), bytes);
  if (payload.case === 'ack') return payload.value.error;
  throw new NodeAgentError(
    'ERR_NODE_AGENT_ZDS',
    'the node proxy answered with something other than an acknowledgement',
  );
}

function read<T>(parse: () => T, bytes: Uint8Array): T {
  try {
    return parse();
  } catch (cause) {
    throw new NodeAgentError('ERR_NODE_AGENT_ZDS', `message of ${bytes.length} bytes cannot be read`, { cause });
  }
}
