/**
 * One try of a request: pick an endpoint, dial, send, wait for the response head (spec/waypoint.md 5.1-5.7).
 * Path 4, steps 7 to 9; called by forward.ts on the data thread.
 */
import { type HashKey, hashKeyOf, removeHopByHop } from '@ambit/l7';
import { type Backend, type HashPolicy, LoadBalancer_Algo } from '@ambit/proto/waypoint';
import { findWorkload } from '@ambit/state';
import { UpstreamError } from '../errors.ts';
import type { RequestContext } from '../filters/request-context.ts';
import type { RequestBody } from '../http/request-body.ts';
import type {
  InterimListener,
  OpenConnection,
  UpstreamCall,
  UpstreamRequest,
  UpstreamResponse,
} from '../http/upstream.ts';
import { sendUpgrade, sendWebsocket } from '../http/websocket-call.ts';
import { connectTimeoutOf } from './connect-timeout.ts';
import type { ForwardDecision, RouterOptions } from './forward.ts';
import { openerOf } from './open.ts';
import type { PickInput, UpstreamEndpoint } from './pick.ts';
import { isHttp2Upstream } from './protocol.ts';
import { upstreamRequestOf } from './request-of.ts';
import type { BoundSession } from './session.ts';

/** How a try ended, unless its request was given up meanwhile. */
export type TryResult = UpstreamResponse | UpstreamError | 'no-endpoint';

/** What a request is hashed by, and its hash where it has one. */
type HashUse = { readonly key: HashKey | undefined; readonly policy: HashPolicy } | 'none';

/** What the tries of one request share. */
export class Tries {
  readonly #context: RequestContext;
  readonly #decision: ForwardDecision;
  readonly #backend: Backend | undefined;
  readonly #options: RouterOptions;
  readonly #body: RequestBody;
  readonly #timeoutMs: number | undefined;
  readonly #session: BoundSession | undefined;
  readonly #avoid = new Set<string>();
  readonly #tried = new Set<string>();
  #beyond: ReadonlySet<string> | undefined;
  #hash: HashUse | undefined;
  #call: UpstreamCall | undefined;
  #endpoint: UpstreamEndpoint | undefined;

  constructor(
    context: RequestContext,
    decision: ForwardDecision,
    backend: Backend | undefined,
    options: RouterOptions,
    timeoutMs: number | undefined,
    session: BoundSession | undefined,
  ) {
    this.#context = context;
    this.#decision = decision;
    this.#backend = backend;
    this.#options = options;
    this.#body = context.body();
    this.#timeoutMs = timeoutMs;
    this.#session = session;
  }

  /** The response of the last try goes to the client. */
  accepted(): void {
    if (this.#endpoint !== undefined) this.#session?.answered(this.#endpoint);
  }

  /** Ends the try in flight, or the response of the last one. */
  cancel(reason: Error): void {
    this.#call?.cancel(reason);
  }

  /** The websocket of the last try is over. */
  release(): void {
    this.#call?.release();
  }

  /** Makes try number `attempt`, the first is 1. Never rejects. */
  async once(attempt: number): Promise<TryResult> {
    const { record, snapshot } = this.#context;
    const { picker, breakers } = this.#options;
    record.attempts = attempt;
    const rules = breakers.rulesOf(this.#backend);
    const request = upstreamRequestOf(this.#context, this.#decision, attempt, this.#body, this.#timeoutMs, rules);
    const named = picker.prepare(this.#backend, snapshot, request.authority);
    if (named !== undefined) await named;
    // Two tries in the priorities that were chosen so far, then two beyond them.
    if (attempt > 1 && attempt % 2 === 1) this.#beyond = new Set(this.#tried);
    const endpoint = this.#pick(request.authority);
    if (endpoint === undefined) return 'no-endpoint';
    record.endpoint = endpoint;
    const { avoidPrevious, remoteLocalities } = this.#decision.route.retry;
    if (avoidPrevious) this.#avoid.add(endpoint.key);
    if (remoteLocalities) this.#tried.add(endpoint.key);
    const place = breakers.enter(this.#backend, 'request');
    if (place === undefined) return new UpstreamError({ kind: 'overflow' }, false);
    const counted = picker.begin(endpoint);
    if (attempt === 1) this.#options.mirror(this.#context, this.#decision, request);
    const startedMs = performance.now();
    const call = this.#send(endpoint, request);
    this.#call = call;
    const onDone = () => {
      counted[Symbol.dispose]();
      place[Symbol.dispose]();
    };
    call.onDone = onDone;
    const { perTryMs } = this.#decision.route.retry;
    const perTry =
      perTryMs === undefined
        ? undefined
        : setTimeout(() => call.cancel(new UpstreamError({ kind: 'per-try-timeout' }, call.requestSent)), perTryMs);
    try {
      const response = await call.response;
      this.#endpoint = endpoint;
      record.upstreamServiceMs = performance.now() - startedMs;
      picker.report(this.#backend, endpoint, { kind: 'response', status: statusForHealth(response) });
      return response;
    } catch (error) {
      const isOverflow = error instanceof UpstreamError && error.failure.kind === 'overflow';
      if (!this.#context.isOver() && !isOverflow) picker.report(this.#backend, endpoint, { kind: 'local' });
      return error instanceof UpstreamError ? error : new UpstreamError({ kind: 'closed' }, call.requestSent, error);
    } finally {
      clearTimeout(perTry);
    }
  }

  #pick(host: string): UpstreamEndpoint | undefined {
    const { frontend, tunnel, snapshot, config, random } = this.#context;
    const { network } = config.settings;
    return this.#options.picker.pick({
      backend: this.#backend,
      frontend,
      destinationIp: tunnel.destinationIp,
      snapshot,
      network,
      self: findWorkload(snapshot, network, this.#options.ownIp),
      host,
      avoid: this.#avoid,
      beyond: this.#beyond,
      hashed: this.#hashed(),
      prefers: this.#session?.prefers,
      random,
    });
  }

  /** Consistent hashing by the rule's policy, else the backend's. */
  #hashed(): PickInput['hashed'] {
    this.#hash ??= this.#readHash();
    if (this.#hash === 'none' || this.#hash.key === undefined) return undefined;
    return { hash: this.#hash.key.hash, shape: this.#hash.policy };
  }

  #readHash(): HashUse {
    const { request, tunnel, onRouteResponse } = this.#context;
    const lb = this.#backend?.lb;
    const policy = this.#decision.route.source.hash ?? (lb?.algo === LoadBalancer_Algo.HASH ? lb.hash : undefined);
    if (policy === undefined) return 'none';
    const key = hashKeyOf(policy, request, `${tunnel.clientAddress}${tunnel.authority}`);
    const cookie = key?.setCookie;
    if (cookie !== undefined) onRouteResponse.push((headers) => headers.append('set-cookie', cookie));
    return { key, policy };
  }

  /** Headers of the CONNECT. */
  #tunnelHeaders(): Record<string, string> {
    const headers: Record<string, string> = {};
    const baggage = this.#options.baggage();
    if (baggage !== undefined) headers['baggage'] = baggage;
    if (this.#backend !== undefined && this.#backend.hostname !== '')
      headers['forwarded'] = `host=${this.#backend.hostname}`;
    return headers;
  }

  #send(endpoint: UpstreamEndpoint, request: UpstreamRequest): UpstreamCall {
    const { config, exchange } = this.#context;
    const { transport, tls, http1, http2 } = this.#options;
    const isHttp2 = isHttp2Upstream(this.#context, this.#backend);
    const plan = tls(this.#backend, request.authority, (name) => config.snapshot.secret.get(name));
    const openFor =
      (useHttp2: boolean): OpenConnection =>
      () => {
        const timeoutMs = connectTimeoutOf(this.#backend, config.settings);
        return openerOf({ transport, endpoint, plan, isHttp2: useHttp2, timeoutMs, headers: this.#tunnelHeaders() })();
      };
    const key = `${endpoint.key} ${this.#backend?.hostname ?? ''} ${plan?.id ?? ''}`;
    const onInterim: InterimListener = (status, interim) => {
      removeHopByHop(interim, 'response');
      exchange.interim(status, interim);
    };
    if (!request.isWebsocket) return (isHttp2 ? http2 : http1).send(key, openFor(isHttp2), request, onInterim);
    const isKeyless = exchange.protocol === 'HTTP/2';
    return isHttp2
      ? sendWebsocket({ http1, http2 }, key, openFor, request, onInterim, isKeyless)
      : sendUpgrade(http1, key, openFor(false), request, onInterim, isKeyless);
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
