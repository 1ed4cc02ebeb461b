// Calls of the gRPC servers, under the names and labels of Go's gRPC middleware that upstream serves (spec control-plane 9.3). In: calls. Out:
// series. Handling times are not there: streams last for hours. Called by listen.ts for each server; main thread.
import {
  type ServerInterceptingCallInterface,
  ServerInterceptingCall,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js';
import type { BoundCounter, Counter, MetricsRegistry } from '@ambit/runtime/metrics';

type Method = 'grpc_type' | 'grpc_service' | 'grpc_method';
type Definition = Parameters<ServerInterceptor>[0];

const METHOD = ['grpc_type', 'grpc_service', 'grpc_method'] as const;

/** Registers the series; gives what counts the calls of a server. */
export function countCalls(registry: MetricsRegistry): ServerInterceptor {
  const counter = (name: string, help: string): Counter<Method> => registry.counter({ name, help, labels: METHOD });
  const started = counter('grpc_server_started_total', 'Calls that came in.');
  const received = counter('grpc_server_msg_received_total', 'Messages of clients.');
  const sent = counter('grpc_server_msg_sent_total', 'Messages to clients.');
  const handled = registry.counter({
    name: 'grpc_server_handled_total',
    help: 'Calls that ended, by status.',
    labels: [...METHOD, 'grpc_code'],
  });
  /** Series of a method, bound once: a stream may carry thousands of messages. Methods are a closed set: those that are mounted. */
  const bound = new Map<string, { readonly in: BoundCounter; readonly out: BoundCounter }>();
  return (definition, call) => {
    const labels = labelsOf(definition);
    started.add(labels);
    let counts = bound.get(definition.path);
    if (counts === undefined)
      bound.set(definition.path, (counts = { in: received.bind(labels), out: sent.bind(labels) }));
    return counted(call, counts, (code) => handled.add({ ...labels, grpc_code: codeName(code) }));
  };
}

function counted(
  call: ServerInterceptingCallInterface,
  counts: { readonly in: BoundCounter; readonly out: BoundCounter },
  onEnd: (code: status) => void,
): ServerInterceptingCall {
  let isOver = false;
  // A call that has ended is cancelled afterwards as well.
  const end = (code: status): void => {
    if (isOver) return;
    isOver = true;
    onEnd(code);
  };
  return new ServerInterceptingCall(call, {
    start(next) {
      next({
        onReceiveMessage(message, pass) {
          counts.in.add();
          pass(message);
        },
        onCancel: () => end(status.CANCELLED),
      });
    },
    sendMessage(message, pass) {
      counts.out.add();
      pass(message);
    },
    sendStatus(result, pass) {
      end(result.code ?? status.UNKNOWN);
      pass(result);
    },
  });
}

function labelsOf({ path, requestStream, responseStream }: Definition): Readonly<Record<Method, string>> {
  const [, service = '', method = ''] = path.split('/');
  const streams = requestStream ? 'client_stream' : responseStream ? 'server_stream' : 'unary';
  return {
    grpc_type: requestStream && responseStream ? 'bidi_stream' : streams,
    grpc_service: service,
    grpc_method: method,
  };
}

/** Names of codes as Go writes them: `PERMISSION_DENIED` is `PermissionDenied`. */
function codeName(code: status): string {
  if (code === status.OK) return 'OK';
  if (code === status.CANCELLED) return 'Canceled';
  return (status[code] ?? 'UNKNOWN')
    .split('_')
    .map((word) => word.slice(0, 1) + word.slice(1).toLowerCase())
    .join('');
}
