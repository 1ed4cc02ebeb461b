/**
 * A small request of the waypoint itself to a backend: external authorization and mirrors (spec/waypoint.md 4.4, 3.7).
 * In: backend and whole request. Out: the whole response, bounded. Data thread; no retry plan of a route applies.
 */
import { HeaderList } from '@ambit/l7';
import type { Backend } from '@ambit/proto/waypoint';
import { findWorkload, type Snapshot } from '@ambit/state';
import { UpstreamError } from '../errors.ts';
import { type BodySource, bytesSource } from '../http/body.ts';
import { RequestBody } from '../http/request-body.ts';
import type { UpstreamClient } from '../http/upstream.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';
import { AppProtocol } from '../updates/compiled-config.ts';
import { connectTimeoutOf } from './connect-timeout.ts';
import { openerOf } from './open.ts';
import type { Picker } from './pick.ts';
import type { TlsPlanner } from './tls-origination.ts';
import type { Transport } from './transport.ts';

/** What a call needs from its data thread. */
export interface BackendCallerOptions {
  readonly picker: Picker;
  readonly transport: Transport;
  readonly tls: TlsPlanner;
  readonly http1: UpstreamClient;
  readonly http2: UpstreamClient;
  /** Address of this waypoint, to find its own workload. */
  readonly ownIp: string;
}

/** One call. */
export interface BackendCall {
  readonly backend: Backend;
  readonly config: CompiledConfig;
  readonly snapshot: Snapshot;
  /** Where the request came in that this call is made for; undefined for calls of the waypoint itself. */
  readonly frontend?: FrontendPort;
  readonly random: () => number;
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  /** HTTP/2 whatever the port says (gRPC). */
  readonly isHttp2: boolean;
  /** May be sent again when a connection fails before the response. */
  readonly isRepeatable: boolean;
  /** Limit of the whole call. */
  readonly timeoutMs: number;
  /** A longer response is a failure. */
  readonly maxResponseBytes: number;
}

/** A whole response. */
export interface BackendAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Buffer;
  readonly trailers: HeaderList;
}

/** Makes a call; rejects with UpstreamError. */
export type CallBackend = (call: BackendCall) => Promise<BackendAnswer>;

/** Binds calls to the pools of a data thread. */
export const createBackendCaller =
  (options: BackendCallerOptions): CallBackend =>
  async (call) => {
    const deadline = performance.now() + call.timeoutMs;
    const avoid = new Set<string>();
    try {
      return await callOnce(call, options, avoid, deadline);
    } catch (error) {
      const isOver = performance.now() >= deadline;
      if (!call.isRepeatable || isOver || !(error instanceof UpstreamError) || error.failure.kind === 'per-try-timeout')
        throw error;
      return callOnce(call, options, avoid, deadline);
    }
  };

const callOnce = async (
  call: BackendCall,
  { picker, transport, tls, http1, http2, ownIp }: BackendCallerOptions,
  avoid: Set<string>,
  deadline: number,
): Promise<BackendAnswer> => {
  const { backend, config, snapshot, frontend, random } = call;
  const { network } = config.settings;
  const connectTimeoutMs = connectTimeoutOf(backend, config.settings);
  const self = findWorkload(snapshot, network, ownIp);
  await picker.prepare(backend, snapshot, call.authority);
  const endpoint = picker.pick({
    backend,
    frontend,
    host: call.authority,
    destinationIp: undefined,
    snapshot,
    network,
    self,
    avoid,
    random,
  });
  if (endpoint === undefined) throw new UpstreamError({ kind: 'connect', reason: 'no healthy upstream' }, false);
  avoid.add(endpoint.key);
  using _active = picker.begin(endpoint);
  const headers = { forwarded: `host=${backend.hostname}` };
  const isHttp2 = call.isHttp2 || backend.protocol === AppProtocol.http2 || backend.protocol === AppProtocol.grpc;
  const plan = tls(backend, call.authority, (name) => config.snapshot.secret.get(name));
  const open = openerOf({ transport, endpoint, plan, isHttp2, timeoutMs: connectTimeoutMs, headers });
  const hasBody = call.body.byteLength > 0;
  const pending = (isHttp2 ? http2 : http1).send(
    `${endpoint.key} ${backend.hostname} ${plan?.id ?? ''}`,
    open,
    {
      method: call.method,
      target: call.target,
      authority: call.authority,
      scheme: 'http',
      headers: call.headers.clone(),
      body: new RequestBody(hasBody ? bytesSource(call.body) : undefined),
      hasBody,
      trailers: () => [],
      isWebsocket: false,
      foldsCookies: false,
      rules: undefined,
    },
    () => undefined,
  );
  const leftMs = Math.min(Math.max(1, deadline - performance.now()), 2 ** 31 - 1);
  const timer = setTimeout(() => pending.cancel(new UpstreamError({ kind: 'per-try-timeout' }, true)), leftMs).unref();
  try {
    const response = await pending.response;
    const body = await wholeBody(response.body, call.maxResponseBytes);
    return {
      status: response.status,
      headers: response.headers,
      body,
      trailers: HeaderList.fromRaw(response.trailers()),
    };
  } catch (error) {
    pending.cancel(new UpstreamError({ kind: 'closed' }, true));
    throw error instanceof UpstreamError ? error : new UpstreamError({ kind: 'closed' }, true, error);
  } finally {
    clearTimeout(timer);
  }
};

const wholeBody = (body: BodySource, limitBytes: number): Promise<Buffer> => {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  body.receiver = {
    onData: (piece) => {
      bytes += piece.byteLength;
      pieces.push(piece);
      if (bytes > limitBytes) reject(new Error(`more than ${limitBytes} bytes`));
    },
    onEnd: () => resolve(Buffer.concat(pieces)),
    onBroken: (error) => reject(error ?? new Error('the response broke off')),
  };
  body.resume();
  return promise;
};
