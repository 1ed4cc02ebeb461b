// In: requests written by a test. Out: every response as it came, and the status at the end. No protocol of its own.
import {
  type ClientDuplexStream,
  Metadata,
  type StatusObject,
  credentials,
  makeClientConstructor,
} from '@grpc/grpc-js';
import { type MessageInitShape, create } from '@bufbuild/protobuf';
import {
  AggregatedDiscoveryService,
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '@ambit/proto/discovery';
import { grpcService } from '@ambit/proto/grpc';

/** One raw stream. */
export interface RawXdsClient extends Disposable {
  send(request: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): void;
  /** The next response, waiting up to `timeoutMs` (default 2000); undefined when none came. */
  next(timeoutMs?: number): Promise<DeltaDiscoveryResponse | undefined>;
  /** Stops reading, to test back-pressure. */
  pause(): void;
  resume(): void;
  /** Resolves when the stream ended. */
  readonly status: Promise<StatusObject>;
  close(): void;
}

/** Opens a plaintext stream. */
export function openRawClient(address: string, headers: Readonly<Record<string, string>> = {}): RawXdsClient {
  const Client = makeClientConstructor(grpcService(AggregatedDiscoveryService), 'AggregatedDiscoveryService');
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const open = client['deltaAggregatedResources'] as (
    metadata: Metadata,
  ) => ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  const call = open.call(client, metadata);
  const arrived: DeltaDiscoveryResponse[] = [];
  const waiting: ((response: DeltaDiscoveryResponse | undefined) => void)[] = [];
  const status = Promise.withResolvers<StatusObject>();
  call.on('data', (response: DeltaDiscoveryResponse) => {
    const first = waiting.shift();
    if (first === undefined) arrived.push(response);
    else first(response);
  });
  call.on('error', () => undefined);
  call.on('status', (end: StatusObject) => {
    for (const settle of waiting.splice(0)) settle(undefined);
    client.close();
    status.resolve(end);
  });
  return {
    status: status.promise,
    send: (request) => void call.write(create(DeltaDiscoveryRequestSchema, request)),
    async next(timeoutMs = 2000) {
      const ready = arrived.shift();
      if (ready !== undefined) return ready;
      const answer = Promise.withResolvers<DeltaDiscoveryResponse | undefined>();
      waiting.push(answer.resolve);
      const timer = setTimeout(() => {
        const at = waiting.indexOf(answer.resolve);
        if (at >= 0) waiting.splice(at, 1);
        answer.resolve(undefined);
      }, timeoutMs);
      const response = await answer.promise;
      clearTimeout(timer);
      return response;
    },
    pause: () => void call.pause(),
    resume: () => void call.resume(),
    close: () => call.cancel(),
    [Symbol.dispose]: () => call.cancel(),
  };
}
