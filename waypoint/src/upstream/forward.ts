/**
 * The router: a decided request -> tries against endpoints -> one response to the client (spec/waypoint.md 5.7, 6.2).
 * Path 4, steps 7 to 9, under the retry plan of the route. Data thread.
 * Border rule: until the first response byte a failure is a local reply (returned); after it, only a reset.
 */
import {
  type CompiledRewrite,
  effectiveTimeoutMs,
  type HashKey,
  hashKeyOf,
  HeaderList,
  type LocalReply,
  type OperatorValues,
  removeHopByHop,
  replies,
  retryDelayMs,
  type RouteDecision,
  type TryOutcome,
  upstreamFailureReply,
  wantsRetry,
} from '@ambit/l7';
import { type Backend, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import { setTimeout as pause } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import { UpstreamError, WaypointError } from '../errors.ts';
import { finishResponseHeaders } from '../filters/order.ts';
import type { RequestContext } from '../filters/request-context.ts';
import type { Http1Client, UpstreamCall, UpstreamRequest, UpstreamResponse } from '../http/h1-client.ts';
import type { Http2Client } from '../http/h2-client.ts';
import { pump } from '../http/pump.ts';
import type { RequestBody } from '../http/request-body.ts';
import { tunnelSocket } from '../http/tunnel-socket.ts';
import { AppProtocol } from '../updates/compiled-config.ts';
import type { Breakers } from './breakers.ts';
import { connectTimeoutOf } from './connect-timeout.ts';
import type { SendMirrors } from './mirror.ts';
import type { Picker, UpstreamEndpoint } from './pick.ts';
import type { TlsPlanner } from './tls-origination.ts';
import type { Transport } from './transport.ts';
import { findWorkload } from '@ambit/state';

type ForwardDecision = RouteDecision & { readonly kind: 'forward' };

/** What the router needs from its data thread. */
export interface RouterOptions {
  readonly picker: Picker;
  readonly transport: Transport;
  readonly http1: Http1Client;
  readonly http2: Http2Client;
  /** Address of this waypoint, to find its own workload. */
  readonly ownIp: string;
  readonly tls: TlsPlanner;
  readonly breakers: Breakers;
  readonly mirror: SendMirrors;
  /** Baggage of this waypoint for the CONNECT, when the mesh wants it. */
  readonly baggage: () => string | undefined;
}

/** Forwards one request. Resolves with the reply to send, or undefined when the client has its answer. */
export const createRouter =
  (options: RouterOptions) =>
  async (context: RequestContext, decision: ForwardDecision): Promise<LocalReply | undefined> => {
    const backend = decision.target.backend === '' ? undefined : context.config.backend(decision.target.backend);
    if (decision.target.backend !== '' && backend === undefined) {
      return replies.backendNotFound(context.table?.gatewaySemantics ?? false);
    }
    context.record.backend = backend;
    return new Forwarding(context, decision, backend, options).run();
  };

/** One request under its retry plan. */
class Forwarding {
  readonly #context: RequestContext;
  readonly #decision: ForwardDecision;
  readonly #backend: Backend | undefined;
  readonly #options: RouterOptions;
  readonly #body: RequestBody;
  readonly #avoid = new Set<string>();
  readonly #timeoutMs: number | undefined;
  #call: UpstreamCall | undefined;
  #isGone = false;
  #isTimedOut = false;
  #hash: { readonly key: HashKey | undefined } | undefined;
  /** Nothing moved for the idle timeout of the route. */
  #isIdle = false;
  #idleTimer: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    context: RequestContext,
    decision: ForwardDecision,
    backend: Backend | undefined,
    options: RouterOptions,
  ) {
    this.#context = context;
    this.#decision = decision;
    this.#backend = backend;
    this.#options = options;
    this.#body = context.body();
    this.#timeoutMs = effectiveTimeoutMs(decision.route.timeouts, context.request.headers.get('grpc-timeout'));
  }

  async run(): Promise<LocalReply | undefined> {
    const { exchange, record } = this.#context;
    exchange.onClosed = () => this.#onClientGone();
    this.#startTimeout();
    this.#startIdle();
    const plan = this.#decision.route.retry;
    let retrying: Disposable | undefined;
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#try(attempt);
      retrying?.[Symbol.dispose]();
      record.requestBodyBytes = this.#body.bytes;
      if (this.#isGone) return undefined;
      if (this.#isTimedOut) return this.#failed(replies.responseTimeout);
      if (this.#isIdle) return this.#failed(replies.streamIdle);
      if (outcome === 'no-endpoint') return this.#failed(replies.noHealthyUpstream);
      const mayRetry =
        this.#body.isReplayable &&
        !exchange.isWebsocket &&
        wantsRetry(plan, this.#context.request.method, asOutcome(outcome));
      retrying =
        mayRetry && attempt <= plan.maxRetries ? this.#options.breakers.enter(this.#backend, 'retry') : undefined;
      if (mayRetry && attempt <= plan.maxRetries && retrying === undefined) record.flags.add('UO');
      if (retrying !== undefined) {
        this.#giveUp(outcome);
        await pause(retryDelayMs(plan, attempt, this.#context.random()));
        if (!this.#isGone && !this.#isTimedOut && !this.#isIdle) continue;
        retrying[Symbol.dispose]();
        if (this.#isGone) return undefined;
        return this.#failed(this.#isIdle ? replies.streamIdle : replies.responseTimeout);
      }
      if (mayRetry && attempt > plan.maxRetries && plan.maxRetries > 0) record.flags.add('URX');
      if (outcome instanceof UpstreamError) {
        if (outcome.failure.kind === 'connect') record.transportFailure = outcome.failure.reason;
        return this.#failed(upstreamFailureReply(outcome.failure, attempt > 1));
      }
      this.#relayResponse(outcome);
      return undefined;
    }
  }

  /** One try: pick, dial, send, wait for the response head. */
  async #try(attempt: number): Promise<UpstreamResponse | UpstreamError | 'no-endpoint'> {
    const { record } = this.#context;
    record.attempts = attempt;
    const named = this.#options.picker.prepare(this.#backend, this.#context.snapshot);
    if (named !== undefined) await named;
    const endpoint = this.#pick();
    if (endpoint === undefined) return 'no-endpoint';
    record.endpoint = endpoint;
    if (this.#decision.route.retry.avoidPrevious) this.#avoid.add(endpoint.key);
    const place = this.#options.breakers.enter(this.#backend, 'request');
    if (place === undefined) return new UpstreamError({ kind: 'overflow' }, false);
    const counted = this.#options.picker.begin(endpoint);
    const active = {
      [Symbol.dispose]: () => {
        counted[Symbol.dispose]();
        place[Symbol.dispose]();
      },
    };
    const request = this.#upstreamRequest(attempt);
    if (attempt === 1) this.#options.mirror(this.#context, this.#decision, request);
    const startedMs = performance.now();
    const call = this.#send(endpoint, request);
    this.#call = call;
    const perTry = this.#startPerTry(call);
    try {
      const response = await call.response;
      record.upstreamServiceMs = performance.now() - startedMs;
      response.body.once('close', () => active[Symbol.dispose]());
      this.#options.picker.report(this.#backend, endpoint, { kind: 'response', status: statusForHealth(response) });
      return response;
    } catch (error) {
      active[Symbol.dispose]();
      if (!this.#isGone) this.#options.picker.report(this.#backend, endpoint, { kind: 'local' });
      return error instanceof UpstreamError ? error : new UpstreamError({ kind: 'closed' }, call.requestSent, error);
    } finally {
      clearTimeout(perTry);
    }
  }

  #pick(): UpstreamEndpoint | undefined {
    const { frontend, tunnel, snapshot, config, random } = this.#context;
    const { network } = config.settings;
    return this.#options.picker.pick({
      backend: this.#backend,
      frontend,
      destinationIp: tunnel.destinationIp,
      snapshot,
      network,
      self: findWorkload(snapshot, network, this.#options.ownIp),
      avoid: this.#avoid,
      hashKey: this.#hashKey(),
      random,
    });
  }

  /** Key of consistent hashing: the rule's policy, else the backend's. */
  #hashKey(): string | undefined {
    if (this.#hash !== undefined) return this.#hash.key?.key;
    const { request, tunnel, onResponse } = this.#context;
    const lb = this.#backend?.lb;
    const policy = this.#decision.route.source.hash ?? (lb?.algo === LoadBalancer_Algo.HASH ? lb.hash : undefined);
    const key = policy === undefined ? undefined : hashKeyOf(policy, request, tunnel.clientAddress);
    this.#hash = { key };
    const cookie = key?.setCookie;
    if (cookie !== undefined) onResponse.push((headers) => headers.append('set-cookie', cookie));
    return key?.key;
  }

  #send(endpoint: UpstreamEndpoint, request: UpstreamRequest): UpstreamCall {
    const { config, exchange } = this.#context;
    const timeoutMs = connectTimeoutOf(this.#backend, config.settings);
    const headers: Record<string, string> = {};
    const baggage = this.#options.baggage();
    if (baggage !== undefined) headers['baggage'] = baggage;
    if (this.#backend !== undefined && this.#backend.hostname !== '')
      headers['forwarded'] = `host=${this.#backend.hostname}`;
    const isHttp2 = this.#isHttp2Upstream();
    const plan = this.#options.tls(this.#backend, request.authority, (name) => config.snapshot.secret.get(name));
    const open = async (): Promise<Duplex> => {
      const plain = tunnelSocket(await this.#options.transport.open(endpoint, { timeoutMs, headers }));
      return plan === undefined ? plain : plan.wrap(plain, { alpn: isHttp2 ? 'h2' : 'http/1.1', timeoutMs });
    };
    const client = isHttp2 ? this.#options.http2 : this.#options.http1;
    const key = `${endpoint.key} ${this.#backend?.hostname ?? ''} ${plan?.id ?? ''}`;
    return client.send(key, open, request, (status, interim) => {
      removeHopByHop(interim, 'response');
      exchange.interim(status, interim);
    });
  }

  /** Protocol towards the backend (spec/waypoint.md 5.1). */
  #isHttp2Upstream(): boolean {
    const { exchange, record } = this.#context;
    if (exchange.isWebsocket) return false;
    const isHttp2Client = exchange.protocol === 'HTTP/2';
    const protocol = this.#backend?.protocol ?? AppProtocol.unknown;
    if (this.#backend?.useClientProtocol === true) return isHttp2Client;
    if (protocol === AppProtocol.http2 || protocol === AppProtocol.grpc) return true;
    if (protocol !== AppProtocol.http11) return isHttp2Client;
    return this.#backend?.h2Policy === h2UpgradePolicy || (isHttp2Client && record.start.isGrpc);
  }

  #upstreamRequest(attempt: number): UpstreamRequest {
    const { request, exchange } = this.#context;
    const { route, target, matchedPrefix } = this.#decision;
    const headers = request.headers.clone();
    if (this.#timeoutMs !== undefined)
      headers.set('x-envoy-expected-rq-timeout-ms', String(Math.round(this.#timeoutMs)));
    headers.set('x-envoy-attempt-count', String(attempt));
    const values = this.#operatorValues();
    const targetEdit = target.requestHeaders(headers, values);
    const routeEdit = route.requestHeaders(headers, values);
    const path = rewrittenPath([route.rewrite, target.rewrite], request.path, matchedPrefix);
    const originalTarget = targetOf(request.path, request.query);
    const newTarget = path === undefined ? originalTarget : targetOf(path, request.query);
    if (newTarget !== originalTarget) headers.set('x-envoy-original-path', originalTarget);
    const host = route.rewrite?.host ?? target.rewrite?.host ?? routeEdit.host ?? targetEdit.host;
    return {
      method: request.method,
      target: newTarget,
      authority: host ?? request.authority,
      scheme: request.scheme,
      headers,
      body: this.#body,
      hasBody: exchange.hasBody,
      trailers: () => exchange.requestTrailers(),
      isWebsocket: exchange.isWebsocket,
    };
  }

  #operatorValues(): OperatorValues {
    const { request, tunnel, exchange, record } = this.#context;
    return (operator) => {
      const argument = operator.endsWith(')') ? operator.slice(operator.indexOf('(') + 1, -1) : undefined;
      switch (argument === undefined ? operator : operator.slice(0, operator.indexOf('('))) {
        case 'REQ':
          return argument === undefined ? undefined : requestField(request, argument.toLowerCase());
        case 'DOWNSTREAM_REMOTE_ADDRESS':
          return tunnel.clientAddress;
        case 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT':
          return tunnel.sourceIp;
        case 'DOWNSTREAM_PEER_URI_SAN':
          return tunnel.peer.principal;
        case 'PROTOCOL':
          return exchange.protocol;
        case 'ROUTE_NAME':
          return record.routeName;
        case 'START_TIME':
          return new Date(record.startedAtMs).toISOString();
        default:
          return undefined;
      }
    };
  }

  #relayResponse(response: UpstreamResponse): void {
    const { exchange, record, config } = this.#context;
    this.#idleTimer?.refresh();
    this.#body.release();
    const headers = response.headers.clone();
    removeHopByHop(headers, 'response');
    if (response.upgraded !== undefined) {
      this.#relayUpgrade(response, response.upgraded, headers);
      return;
    }
    this.#editResponse(headers);
    finishResponseHeaders(headers, config.settings);
    record.status = response.status;
    record.details = 'via_upstream';
    record.grpcStatus = headers.get('grpc-status');
    record.responseHeaderBytes = headers.byteLength;
    record.responseHeaders = headers;
    const isBodyless = this.#context.request.method === 'HEAD' || response.status === 204 || response.status === 304;
    exchange.respond(response.status, headers, { endStream: isBodyless, closeConnection: false });
    if (isBodyless) {
      response.body.resume();
      this.#stopTimeout();
      return;
    }
    const stop = pump(response.body, exchange.sink, {
      onChunk: (bytes) => {
        record.responseBodyBytes += bytes;
        this.#idleTimer?.refresh();
      },
      onEnd: () => {
        this.#stopTimeout();
        const trailers = response.trailers();
        record.grpcStatus = HeaderList.fromRaw(trailers).get('grpc-status') ?? record.grpcStatus;
        exchange.end(trailers);
      },
      onBroken: (error) => this.#brokenResponse(error),
    });
    exchange.onClosed = (complete) => {
      stop();
      this.#stopTimeout();
      record.requestBodyBytes = this.#body.bytes;
      if (!complete) this.#endedEarly();
      record.complete();
    };
  }

  #editResponse(headers: HeaderList): void {
    const { record, onResponse } = this.#context;
    const { target, route } = this.#decision;
    const values = this.#operatorValues();
    headers.set('x-envoy-upstream-service-time', String(Math.round(record.upstreamServiceMs ?? 0)));
    target.responseHeaders(headers, values);
    route.responseHeaders(headers, values);
    for (const edit of onResponse) edit(headers);
  }

  /** 101: raw bytes both ways, ended together (spec/waypoint.md 5.10). */
  #relayUpgrade(response: UpstreamResponse, upstream: Duplex, headers: HeaderList): void {
    const { exchange, record, config } = this.#context;
    this.#stopTimeout();
    this.#editResponse(headers);
    finishResponseHeaders(headers, config.settings);
    headers.append('connection', 'Upgrade');
    headers.append('upgrade', response.headers.get('upgrade') ?? 'websocket');
    record.status = 101;
    record.details = 'via_upstream';
    exchange.onClosed = () => {
      upstream.destroy();
      record.complete();
    };
    const client = exchange.upgrade(headers);
    upstream.on('error', () => client.destroy());
    const copy = (from: Duplex, to: Duplex, count: (bytes: number) => void): void => {
      pump(from, to, { onChunk: count, onEnd: () => to.end(), onBroken: () => to.destroy() });
    };
    copy(client, upstream, (bytes) => {
      record.requestBodyBytes += bytes;
    });
    copy(upstream, client, (bytes) => {
      record.responseBodyBytes += bytes;
    });
  }

  #brokenResponse(error: Error | undefined): void {
    const { exchange, record } = this.#context;
    if (this.#isIdle) {
      record.flags.add('SI');
      record.details = 'stream_idle_timeout';
    } else if (this.#isTimedOut) {
      record.flags.add('UT');
      record.details = 'response_timeout';
    } else {
      record.flags.add('UC');
      record.details = 'upstream_reset_after_response_started{connection_termination}';
    }
    exchange.abort(new WaypointError('ERR_WAYPOINT_UPSTREAM', 'upstream ended inside a response', { cause: error }));
  }

  #endedEarly(): void {
    const { record } = this.#context;
    if (record.flags.size > 0) return;
    record.flags.add('DC');
    record.details = 'downstream_remote_disconnect';
    this.#call?.cancel(new WaypointError('ERR_WAYPOINT_CLIENT_GONE', 'client left during the response'));
  }

  #onClientGone(): void {
    const { record } = this.#context;
    this.#isGone = true;
    this.#stopTimeout();
    this.#body.detach();
    this.#call?.cancel(new WaypointError('ERR_WAYPOINT_CLIENT_GONE', 'client left before the response'));
    record.flags.add('DC');
    record.details = 'downstream_remote_disconnect';
    record.requestBodyBytes = this.#body.bytes;
    record.complete();
  }

  /** A try that is not shown to the client: drop its response. */
  #giveUp(outcome: UpstreamResponse | UpstreamError): void {
    this.#body.detach();
    if (outcome instanceof UpstreamError) return;
    if (!this.#body.isComplete) {
      // The backend answered before it had the whole body: its connection cannot be used again.
      this.#call?.cancel(new WaypointError('ERR_WAYPOINT_UPSTREAM', 'another try replaces this one'));
      return;
    }
    if (outcome.upgraded !== undefined) outcome.upgraded.destroy();
    else outcome.body.resume();
  }

  #failed(reply: LocalReply): LocalReply {
    this.#stopTimeout();
    this.#body.detach();
    this.#body.release();
    return reply;
  }

  #startTimeout(): void {
    const timeoutMs = this.#timeoutMs;
    if (timeoutMs === undefined) return;
    const arm = (): void => {
      this.#timer ??= setTimeout(() => {
        this.#isTimedOut = true;
        this.#call?.cancel(new UpstreamError({ kind: 'per-try-timeout' }, true));
      }, timeoutMs).unref();
    };
    if (this.#body.isComplete) arm();
    else this.#body.onComplete = arm;
  }

  /** Per-route idle timeout: reset by every chunk in either direction and by the response head (spec/waypoint.md 5.8). */
  #startIdle(): void {
    const { idleMs } = this.#decision.route.timeouts;
    if (idleMs === undefined || this.#context.exchange.isWebsocket) return;
    this.#idleTimer = setTimeout(() => {
      this.#isIdle = true;
      this.#call?.cancel(new UpstreamError({ kind: 'per-try-timeout' }, true));
    }, idleMs).unref();
    this.#body.onChunk = () => this.#idleTimer?.refresh();
  }

  #stopTimeout(): void {
    this.#body.onComplete = undefined;
    this.#body.onChunk = undefined;
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
  }

  #startPerTry(call: UpstreamCall): NodeJS.Timeout | undefined {
    const { perTryMs } = this.#decision.route.retry;
    if (perTryMs === undefined) return undefined;
    return setTimeout(
      () => call.cancel(new UpstreamError({ kind: 'per-try-timeout' }, call.requestSent)),
      perTryMs,
    ).unref();
  }
}

/** Status by which an endpoint is judged: a gRPC failure in the response head counts as its HTTP sibling (spec/waypoint.md 5.6). */
const statusForHealth = ({ status, headers }: UpstreamResponse): number => {
  const grpc = headers.get('grpc-status');
  return grpc === undefined ? status : (httpStatusOfGrpc[grpc] ?? status);
};

const httpStatusOfGrpc: Readonly<Record<string, number>> = {
  2: 500,
  4: 504,
  8: 429,
  12: 501,
  13: 500,
  14: 503,
  15: 500,
};

/** Istio's H2UpgradePolicy.UPGRADE. */
const h2UpgradePolicy = 2;

const asOutcome = (outcome: UpstreamResponse | UpstreamError): TryOutcome =>
  outcome instanceof UpstreamError
    ? { kind: 'failure', failure: outcome.failure, requestSent: outcome.requestSent }
    : { kind: 'response', status: outcome.status, headers: outcome.headers };

const rewrittenPath = (
  rewrites: readonly (CompiledRewrite | undefined)[],
  path: string,
  matchedPrefix: string | undefined,
): string | undefined => {
  for (const rewrite of rewrites) if (rewrite?.path !== undefined) return rewrite.path(path, matchedPrefix);
  return undefined;
};

const targetOf = (path: string, query: string | undefined): string => (query === undefined ? path : `${path}?${query}`);

const requestField = (request: RequestContext['request'], name: string): string | undefined => {
  switch (name) {
    case ':method':
      return request.method;
    case ':path':
      return targetOf(request.path, request.query);
    case ':authority':
      return request.authority;
    case ':scheme':
      return request.scheme;
    default:
      return request.headers.joined(name);
  }
};
