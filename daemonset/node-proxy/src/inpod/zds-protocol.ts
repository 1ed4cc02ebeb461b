/**
 * ZDS requests of the node agent in, what to do and the one reply to send out. No I/O.
 *
 * Used by `zds-client.ts` on the main thread, one object per connection. Rules: spec/node-proxy.md 8.2 to 8.4 (hello,
 * snapshot, exactly one reply per request, protocol errors end the process without a drain).
 */
import { NodeProxyError } from '../telemetry/response-flags.ts';

/** Who a pod is, as the node agent tells it. */
export interface WorkloadInfo {
  readonly name: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** One request, decoded. `netns` is the received descriptor (absent on the stream transport). */
export type ZdsRequest =
  | {
      readonly kind: 'add';
      readonly uid: string;
      readonly workload: WorkloadInfo | undefined;
      readonly netns: number | undefined;
    }
  | { readonly kind: 'del'; readonly uid: string; readonly netns: number | undefined }
  | { readonly kind: 'keep'; readonly uid: string; readonly netns: number | undefined }
  | { readonly kind: 'snapshot-sent'; readonly netns: number | undefined };

/** What the workload manager must do before the reply is sent. */
export type ZdsStep =
  | {
      readonly kind: 'start';
      readonly uid: string;
      readonly workload: WorkloadInfo;
      readonly netns: number | undefined;
    }
  | { readonly kind: 'stop'; readonly uid: string }
  /** Remembered until the snapshot is complete: forget a pending start, stop nothing yet. */
  | { readonly kind: 'unqueue'; readonly uid: string }
  /** Stop every pod that is not in the set, then the snapshot is complete. */
  | { readonly kind: 'retain'; readonly uids: ReadonlySet<string> }
  | { readonly kind: 'nothing' }
  /** The process must end with status 1 after the reply, without a drain. */
  | { readonly kind: 'protocol-error'; readonly message: string };

/** State of one ZDS connection. */
export interface ZdsSession {
  /**
   * Takes one request; the caller performs the step, then replies exactly once. Throws `ERR_NODE_PROXY_ZDS` when the
   * descriptor that came with it does not fit: a read error, which ends the connection but not the process.
   */
  receive(request: ZdsRequest): ZdsStep;
  /** True once the snapshot of this connection was received. */
  readonly complete: boolean;
}

/** Starts the protocol of a new connection. `needsNetns` is true on the packet transport, false on the loopback stream. */
export function createZdsSession(options: { needsNetns: boolean }): ZdsSession {
  const named = new Set<string>();
  let complete = false;
  const add = (request: Extract<ZdsRequest, { kind: 'add' }>): ZdsStep => {
    const { uid, workload, netns } = request;
    if (workload === undefined) return violation(`add of ${uid} without workload info`);
    if (options.needsNetns && netns === undefined) throw unreadable(`add of ${uid} without a descriptor`);
    if (!complete) named.add(uid);
    return { kind: 'start', uid, workload, netns };
  };
  return {
    get complete() {
      return complete;
    },
    receive(request) {
      if (request.kind !== 'add' && request.netns !== undefined) throw unreadable(`${request.kind} with a descriptor`);
      switch (request.kind) {
        case 'add':
          return add(request);
        case 'del':
          if (complete) return { kind: 'stop', uid: request.uid };
          named.delete(request.uid);
          return { kind: 'unqueue', uid: request.uid };
        case 'keep':
          if (complete) return violation(`keep of ${request.uid} after the snapshot`);
          named.add(request.uid);
          return { kind: 'nothing' };
        case 'snapshot-sent':
          if (complete) return violation('second snapshot on one connection');
          complete = true;
          return { kind: 'retain', uids: named };
        default:
          return request satisfies never;
      }
    },
  };
}

function unreadable(message: string): NodeProxyError {
  return new NodeProxyError('ERR_NODE_PROXY_ZDS', message);
}

function violation(message: string): ZdsStep {
  return { kind: 'protocol-error', message };
}
