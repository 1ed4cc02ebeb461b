/**
 * One request with its route chosen and its clocks running: the RequestContext of the pipeline.
 * Made by order.ts, shared by the steps and the router, dropped when the request ends. Data thread.
 *
 * A class whose methods need no closures of their own: what a request allocates is what the garbage collector later pays for.
 */
import {
  type CompiledRoute,
  type CompiledRouteTable,
  type ExtAuthzCheck,
  type ExtAuthzQuestion,
  type ExtAuthzVerdict,
  type GlobalRateCheck,
  type GlobalRateVerdict,
  type HeaderList,
  type JwtCheck,
  type LocalReply,
  replies,
  type RouteDecision,
} from '@ambit/l7';
import type { RateLimitRequest } from '@ambit/proto/rate-limit';
import type { Snapshot } from '@ambit/state';
import { WaypointError } from '../errors.ts';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import { RequestBody } from '../http/request-body.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';
import type { ProxySettings } from '../updates/proxy-settings.ts';
import type { AskRateLimit } from '../upstream/ask-rate-limit.ts';
import type { AskService } from '../upstream/ask-service.ts';
import { sendLocalReply } from './answer.ts';
import { type Deadlines, type Limits, startDeadlines } from './deadlines.ts';
import type { Cleaned } from './hygiene.ts';
import type { RequestContext } from './request-context.ts';

/** What requests need from their data thread. */
export interface RequestServices {
  readonly snapshot: () => Snapshot;
  /** Own SPIFFE id. */
  readonly localPrincipal: () => string;
  /** Verifies the signature of a token (jwt/verifier.ts). */
  readonly verifyToken: (check: JwtCheck) => Promise<string | undefined>;
  /** Asks a service about a request (upstream/ask-service.ts). */
  readonly askService: AskService;
  /** Asks a rate limit service (upstream/ask-rate-limit.ts). */
  readonly askRateLimit: AskRateLimit;
  readonly random: () => number;
}

const noLimits: Limits = { idleMs: undefined, requestMs: undefined, streamMs: undefined };

/** A request between its head and its completed record. */
export class RequestInWork implements RequestContext {
  readonly exchange: Exchange;
  readonly tunnel: Tunnel;
  readonly frontend: FrontendPort;
  readonly config: CompiledConfig;
  readonly snapshot: Snapshot;
  readonly record: RequestRecord;
  request: RequestContext['request'];
  readonly table: CompiledRouteTable | undefined;
  decision: RouteDecision | undefined;
  route: CompiledRoute | undefined;
  readonly onResponse: ((headers: HeaderList) => void)[] = [];
  readonly onRouteResponse: ((headers: HeaderList) => void)[] = [];
  hasAnswered = false;
  onInterrupt: (() => void) | undefined;
  readonly #services: RequestServices;
  #body: RequestBody | undefined;
  #deadlines: Deadlines | undefined;
  #isOver = false;

  constructor(
    exchange: Exchange,
    tunnel: Tunnel,
    frontend: FrontendPort,
    config: CompiledConfig,
    record: RequestRecord,
    cleaned: Cleaned & { readonly ok: true },
    services: RequestServices,
  ) {
    this.exchange = exchange;
    this.tunnel = tunnel;
    this.frontend = frontend;
    this.config = config;
    this.snapshot = services.snapshot();
    this.record = record;
    this.request = cleaned.request;
    const routes = frontend.routes();
    this.table = routes.kind === 'table' ? routes.table : undefined;
    this.#services = services;
    record.requestId = cleaned.requestId;
    const { path, query } = cleaned.request;
    record.path = query === undefined ? path : `${path}?${query}`;
  }

  /** Chooses the route, starts the clocks and listens to the client. */
  start(): void {
    this.#choose();
    const limits = limitsOf(this, this.config.settings);
    if (limits !== noLimits) this.#clocks(limits);
    const onRefused = (reply: LocalReply) => this.interrupt(reply);
    this.exchange.onRefused = onRefused;
    const onClosed = () => this.#clientLeft();
    this.exchange.onClosed = onClosed;
  }

  get random(): () => number {
    return this.#services.random;
  }

  get localPrincipal(): string {
    return this.#services.localPrincipal();
  }

  verifyToken(check: JwtCheck): Promise<string | undefined> {
    return this.#services.verifyToken(check);
  }

  askService(check: ExtAuthzCheck, question: ExtAuthzQuestion): Promise<ExtAuthzVerdict> {
    return this.#services.askService(this, check, question);
  }

  askRateLimit(check: GlobalRateCheck, question: RateLimitRequest): Promise<GlobalRateVerdict | undefined> {
    return this.#services.askRateLimit(this, check, question);
  }

  chooseAgain(when: 'claims' | 'always'): void {
    if (when === 'always' || this.table?.usesClaims === true) this.#choose();
  }

  body(): RequestBody {
    if (this.#body === undefined) {
      const { exchange } = this;
      this.#body = new RequestBody(exchange.hasBody ? exchange.body : undefined);
      const onChunk = (chunk: Uint8Array) => {
        this.touch();
        this.record.grpc?.request.push(chunk);
      };
      if (exchange.hasBody) this.#body.onChunk = onChunk;
    }
    return this.#body;
  }

  isOver(): boolean {
    return this.#isOver;
  }

  touch(): void {
    this.#deadlines?.touch();
  }

  startTimeout(timeoutMs: number | undefined, reply: () => LocalReply): void {
    if (timeoutMs === undefined) return;
    const body = this.body();
    const start = (): void => this.#clocks(noLimits).startTimeout(timeoutMs, reply);
    if (body.isComplete) start();
    else body.onComplete = start;
  }

  stopTimers(): void {
    this.#deadlines?.stop();
  }

  finish(): void {
    this.#isOver = true;
    this.#deadlines?.stop();
    this.exchange.onRefused = undefined;
    this.record.complete();
  }

  interrupt(reply: LocalReply): void {
    if (this.#isOver) return;
    this.#deadlines?.stop();
    const { exchange, record } = this;
    if (this.hasAnswered) {
      noteBroken(record, reply);
      exchange.abort(new WaypointError('ERR_WAYPOINT_UPSTREAM', `the response was ended: ${reply.details}`));
      return;
    }
    this.#isOver = true;
    this.onInterrupt?.();
    if (this.#body !== undefined) record.requestBodyBytes = this.#body.bytes;
    sendLocalReply(exchange, record, reply, this.config.settings, this.onResponse, () => this.finish());
  }

  #clientLeft(): void {
    this.#isOver = true;
    this.onInterrupt?.();
    this.record.flags.add('DC');
    this.record.details = 'downstream_remote_disconnect';
    this.finish();
  }

  #clocks(limits: Limits): Deadlines {
    const { exchange } = this;
    return (this.#deadlines ??= startDeadlines(
      limits,
      () => exchange.isRequestComplete,
      (reply) => this.interrupt(reply),
    ));
  }

  /** Chooses the rule and writes it into the record. */
  #choose(): void {
    const { record, config } = this;
    const { hostname } = this.frontend;
    // A wildcard answers for the names below it, every other frontend for whatever the client calls it (spec/waypoint.md 3.2).
    const isOurs = !hostname.startsWith('*') || isBelow(hostname, this.request.authority);
    const decision = isOurs ? this.table?.select(this.request, this.random) : notOurs;
    this.decision = decision;
    this.route = decision?.route;
    record.routeName = decision?.route?.name;
    record.backend = decision?.kind === 'forward' ? config.backend(decision.target.backend) : undefined;
  }
}

const notOurs: RouteDecision = { kind: 'reply', route: undefined, reply: replies.routeNotFound };

const isBelow = (wildcard: string, authority: string): boolean => {
  const host = authority.toLowerCase().split(':', 1)[0] ?? '';
  return host.endsWith(wildcard.slice(1).toLowerCase()) && host.length >= wildcard.length;
};

const limitsOf = ({ route, exchange }: RequestContext, settings: ProxySettings): Limits => {
  if (exchange.isWebsocket) return noLimits;
  const idleMs = route?.timeouts.idleMs ?? settings.streamIdleMs;
  const requestMs = exchange.hasBody ? settings.requestMs : undefined;
  const streamMs = route?.timeouts.streamMs ?? settings.maxStreamMs;
  if (idleMs === undefined && requestMs === undefined && streamMs === undefined) return noLimits;
  return { idleMs, requestMs, streamMs };
};

/** A reply that comes too late to be sent. */
const noteBroken = (record: RequestRecord, reply: LocalReply): void => {
  record.details = reply.details;
  if (reply.flag !== undefined) record.flags.add(reply.flag);
};
