// In: an address and credentials. Out: one open ADS stream, and how it ended. Path 3, step 1 (the socket part of it).
// Called by: client.ts; knows gRPC and nothing of resources. Main thread.
import {
  type ChannelOptions,
  type ClientDuplexStream,
  Metadata,
  type StatusObject,
  connectivityState,
  makeClientConstructor,
  status as grpcStatus,
} from '@grpc/grpc-js';
import {
  AggregatedDiscoveryService,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from '@ambit/proto/discovery';
import { grpcService } from '@ambit/proto/grpc';
import { XdsError } from '../errors.ts';
import { type StreamCredentials, channelSecurity } from './credentials.ts';

/** How a stream ended; drives backoff and the termination metric (spec node-proxy 4.6). */
export type StreamEnd =
  | { readonly kind: 'connection-error'; readonly error: XdsError }
  | { readonly kind: 'reconnect'; readonly error: XdsError }
  | { readonly kind: 'error'; readonly error: XdsError }
  | { readonly kind: 'complete' };

/** One open stream. */
export interface AdsStream {
  send(request: DeltaDiscoveryRequest): void;
  /** Resolves once, when the stream has ended; never rejects. */
  readonly ended: Promise<StreamEnd>;
  /** Half-closes and lets the server finish. */
  close(): void;
  /** Ends it now. */
  destroy(): void;
}

/** Settings of {@link openAdsStream}. */
export interface AdsStreamOptions {
  /** `host:port`. */
  readonly address: string;
  readonly credentials: StreamCredentials;
  readonly connectTimeoutMs: number;
  readonly channelOptions?: ChannelOptions;
  /** Called when the server is known to be there: connection up, or first response. */
  readonly onConnected: () => void;
  readonly onResponse: (response: DeltaDiscoveryResponse) => void;
}

const AdsClient = makeClientConstructor(grpcService(AggregatedDiscoveryService), 'AggregatedDiscoveryService');

/** Bytes that the server may send ahead on the connection and on the stream; the first push is large. */
const WINDOW_BYTES = 4 * 1024 * 1024;
const MAX_RESPONSE_BYTES = 200 * 1024 * 1024;

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc-node.flow_control_window': WINDOW_BYTES,
  'grpc.max_receive_message_length': MAX_RESPONSE_BYTES,
  'grpc.max_send_message_length': MAX_RESPONSE_BYTES,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  // One channel per stream, nothing shared or retried behind our back: each attempt resolves the name again.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
};

/** Opens a stream on a connection of its own. Throws only for roots that are not PEM; every other failure is an end. */
export function openAdsStream(options: AdsStreamOptions): AdsStream {
  const { address, credentials, connectTimeoutMs } = options;
  const security = channelSecurity(credentials, address);
  const client = new AdsClient(address, security.credentials, {
    ...CHANNEL_OPTIONS,
    ...security.options,
    ...options.channelOptions,
  });
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(credentials.headers)) metadata.set(name, value);
  // The constructor types its methods as bare functions; the method table says what this one is.
  const open = client['deltaAggregatedResources'] as (
    metadata: Metadata,
  ) => ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  const call = open.call(client, metadata);

  const ended = Promise.withResolvers<StreamEnd>();
  let established = false;
  let timedOut = false;
  let over = false;
  const connected = (): void => {
    if (established || over) return;
    established = true;
    clearTimeout(timer);
    options.onConnected();
  };
  const finish = (end: StreamEnd): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    client.close();
    ended.resolve(end);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    call.cancel();
  }, connectTimeoutMs);
  const watch = (): void => {
    if (over || established) return;
    const channel = client.getChannel();
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.READY) connected();
    else channel.watchConnectivityState(state, Infinity, (error) => (error === undefined ? watch() : undefined));
  };
  watch();
  call.on('metadata', connected);
  call.on('data', (response: DeltaDiscoveryResponse) => {
    connected();
    options.onResponse(response);
  });
  // The status event carries the same; without a listener the error would be thrown.
  call.on('error', () => undefined);
  call.on('status', (status: StatusObject) =>
    finish(endOf(status, { address, established, timedOut, connectTimeoutMs })),
  );
  return {
    ended: ended.promise,
    send(request) {
      if (!over) call.write(request);
    },
    close: () => call.end(),
    destroy: () => call.cancel(),
  };
}

function endOf(
  status: StatusObject,
  facts: { address: string; established: boolean; timedOut: boolean; connectTimeoutMs: number },
): StreamEnd {
  const { address, established } = facts;
  if (facts.timedOut) {
    const message = `connect to ${address} timed out after ${facts.connectTimeoutMs} ms`;
    return { kind: 'connection-error', error: new XdsError('ERR_XDS_CONNECT', message, { hint: CONNECT_HINT }) };
  }
  if (status.code === grpcStatus.OK) return { kind: 'complete' };
  const name = grpcStatus[status.code] ?? String(status.code);
  if (!established) {
    const error = new XdsError('ERR_XDS_CONNECT', `connect to ${address} failed: ${name} ${status.details}`, {
      hint: CONNECT_HINT,
    });
    return { kind: 'connection-error', error };
  }
  const error = new XdsError('ERR_XDS_STREAM', `stream to ${address} ended: ${name} ${status.details}`);
  return { kind: isOrdinaryLoss(status) ? 'reconnect' : 'error', error };
}

const CONNECT_HINT =
  'check that the control plane runs, that a NetworkPolicy allows its port, and the root certificate';

/** Ends that every restart of a control plane causes. */
function isOrdinaryLoss(status: StatusObject): boolean {
  switch (status.code) {
    case grpcStatus.UNKNOWN:
    case grpcStatus.CANCELLED:
    case grpcStatus.DEADLINE_EXCEEDED:
      return true;
    case grpcStatus.UNAVAILABLE:
      return ['transport is closing', 'received prior goaway', 'Connection dropped', 'ECONNRESET'].some((text) =>
        status.details.includes(text),
      );
    default:
      return false;
  }
}
