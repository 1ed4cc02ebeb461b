/**
 * The order of the request pipeline (spec/waypoint.md 3.1), and the only place that knows it.
 * Path 4, step 5: in: an exchange of a tunnel; out: exactly one answer and one completed record. Data thread.
 *
 * Steps of 3.1 without an engine yet (extensions): their policies make step 6 deny, so that a request never passes a
 * restriction that nobody checks. Services of a single rule are asked after step 6, when the rule is known for good.
 */
import { HeaderList, isGrpc, type JwtCheck, type LocalReply, replies, type RouteDecision } from '@ambit/l7';
import type { Snapshot } from '@ambit/state';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import { RequestBody } from '../http/request-body.ts';
import { RequestRecord, type RecordSink } from '../telemetry/request-record.ts';
import { WaypointError } from '../errors.ts';
import { startTrace } from '../tracing/start.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';
import type { ProxySettings } from '../updates/proxy-settings.ts';
import type { AskRateLimit } from '../upstream/ask-rate-limit.ts';
import type { AskService } from '../upstream/ask-service.ts';
import { noteReply, sendLocalReply } from './answer.ts';
import { authorize } from './authorize.ts';
import { bufferBody } from './buffer.ts';
import { cors } from './cors.ts';
import { type Deadlines, type Limits, startDeadlines } from './deadlines.ts';
import { askForFrontend, askForRule } from './ext-authz.ts';
import { fault } from './fault.ts';
import { type Cleaned, cleanRequest } from './hygiene.ts';
import { authenticate } from './jwt.ts';
import { rateLimit } from './rate-limit.ts';
import type { Filter, RequestContext } from './request-context.ts';

const steps: readonly Filter[] = [
  askForFrontend,
  authenticate,
  authorize,
  askForRule,
  rateLimit,
  fault,
  cors,
  bufferBody,
];

/** What the pipeline needs from its data thread. */
export interface PipelineOptions {
  readonly config: () => CompiledConfig;
  readonly snapshot: () => Snapshot;
  /** Own SPIFFE id. */
  readonly localPrincipal: () => string;
  readonly onRecord: RecordSink;
  /** The last step (upstream/forward.ts): answers, or says which local reply to send. */
  readonly forward: (
    context: RequestContext,
    decision: RouteDecision & { readonly kind: 'forward' },
  ) => Promise<LocalReply | undefined>;
  /** Verifies the signature of a token (jwt/verifier.ts). */
  readonly verifyToken: (check: JwtCheck) => Promise<string | undefined>;
  /** Asks a service about a request (upstream/ask-service.ts). */
  readonly askService: AskService;
  /** Asks a rate limit service (upstream/ask-rate-limit.ts). */
  readonly askRateLimit: AskRateLimit;
  readonly random: () => number;
  readonly log: Logger;
}

/** Runs requests through the steps. */
export interface Pipeline {
  /** Never throws and never rejects. */
  handle(exchange: Exchange, tunnel: Tunnel): void;
  /** Records a request that the parser refused. */
  refused(reply: LocalReply, tunnel: Tunnel): void;
}

/** Makes the pipeline of a data thread. */
export const createPipeline = (options: PipelineOptions): Pipeline => ({
  handle: (exchange, tunnel) => {
    const record = new RequestRecord(startOf(exchange, tunnel), options.onRecord);
    run(exchange, tunnel, record, options).catch((error: unknown) => {
      options.log.error('request failed', { error: explain(error) });
      record.details ??= 'internal_error';
      exchange.abort(error instanceof Error ? error : new Error('request failed', { cause: error }));
      record.complete();
    });
  },
  refused: (reply, tunnel) => {
    const record = new RequestRecord(
      {
        tunnel,
        protocol: 'HTTP/1.1',
        method: '-',
        path: '-',
        authority: '',
        userAgent: undefined,
        forwardedFor: undefined,
        requestHeaderBytes: 0,
        headers: HeaderList.empty(),
        isGrpc: false,
      },
      options.onRecord,
    );
    noteReply(record, reply);
    record.responseBodyBytes = reply.body.length;
    record.complete();
  },
});

const startOf = (exchange: Exchange, tunnel: Tunnel) => {
  const { head, protocol } = exchange;
  return {
    tunnel,
    protocol,
    method: head.method,
    path: head.target,
    authority: head.authority,
    userAgent: head.headers.get('user-agent'),
    forwardedFor: head.headers.joined('x-forwarded-for'),
    headers: head.headers,
    requestHeaderBytes: head.headers.byteLength + head.method.length + head.target.length,
    isGrpc: isGrpc(head.headers.get('content-type')),
  };
};

const run = async (
  exchange: Exchange,
  tunnel: Tunnel,
  record: RequestRecord,
  options: PipelineOptions,
): Promise<void> => {
  const config = options.config();
  const { settings } = config;
  const current = config.frontendPort(tunnel.frontend.key, tunnel.frontend.port);
  const frontend = typeof current === 'string' ? tunnel.frontend : current;
  const cleaned = cleanRequest(exchange, tunnel, frontend.port, settings, options.localPrincipal());
  if (!cleaned.ok) {
    if (cleaned.path !== undefined) record.path = cleaned.path;
    sendLocalReply(exchange, record, cleaned.reply, settings, [], () => record.complete());
    return;
  }
  const context = contextOf(exchange, tunnel, frontend, record, cleaned, options);
  const tracing = frontend.tracing();
  if (tracing !== undefined) record.trace = startTrace(context.request.headers, tracing, options.random);
  if (cleaned.answersContinue) exchange.interim(100, HeaderList.empty());
  for (const step of steps) {
    const pending = step(context);
    const answer = pending instanceof Promise ? await pending : pending;
    if (context.isOver()) return;
    if (answer !== undefined) {
      context.interrupt(answer);
      return;
    }
  }
  const routed = route(context, options);
  const answer = routed instanceof Promise ? await routed : routed;
  if (answer !== undefined) context.interrupt(answer);
};

/** One request with its route chosen and its clocks running. */
const contextOf = (
  exchange: Exchange,
  tunnel: Tunnel,
  frontend: FrontendPort,
  record: RequestRecord,
  cleaned: Cleaned & { readonly ok: true },
  options: PipelineOptions,
): RequestContext => {
  const config = options.config();
  const { settings } = config;
  const { request } = cleaned;
  record.requestId = cleaned.requestId;
  record.path = request.query === undefined ? request.path : `${request.path}?${request.query}`;
  const routes = frontend.routes();
  const table = routes.kind === 'table' ? routes.table : undefined;
  let body: RequestBody | undefined;
  let deadlines: Deadlines | undefined;
  let isOver = false;
  const clocks = (limits: Limits): Deadlines =>
    (deadlines ??= startDeadlines(limits, () => exchange.isRequestComplete, context.interrupt));
  const context: RequestContext = {
    exchange,
    tunnel,
    frontend,
    config,
    record,
    request,
    table,
    decision: undefined,
    snapshot: options.snapshot(),
    route: undefined,
    onResponse: [],
    onRouteResponse: [],
    random: options.random,
    verifyToken: options.verifyToken,
    chooseAgain: (when) => {
      if (when === 'always' || table?.usesClaims === true) choose(context);
    },
    body: () => {
      if (body === undefined) {
        body = new RequestBody(exchange.hasBody ? exchange.body : undefined);
        body.onChunk = context.touch;
      }
      return body;
    },
    askService: (check, question) => options.askService(context, check, question),
    askRateLimit: (check, question) => options.askRateLimit(context, check, question),
    localPrincipal: options.localPrincipal(),
    hasAnswered: false,
    onInterrupt: undefined,
    isOver: () => isOver,
    touch: () => deadlines?.touch(),
    startTimeout: (timeoutMs, reply) => {
      if (timeoutMs === undefined) return;
      const start = (): void => clocks(noLimits).startTimeout(timeoutMs, reply);
      if (context.body().isComplete) start();
      else context.body().onComplete = start;
    },
    stopTimers: () => deadlines?.stop(),
    finish: () => {
      isOver = true;
      deadlines?.stop();
      record.complete();
    },
    interrupt: (reply) => {
      if (isOver) return;
      deadlines?.stop();
      if (context.hasAnswered) {
        noteBroken(record, reply);
        exchange.abort(new WaypointError('ERR_WAYPOINT_UPSTREAM', `the response was ended: ${reply.details}`));
        return;
      }
      isOver = true;
      context.onInterrupt?.();
      if (body !== undefined) record.requestBodyBytes = body.bytes;
      sendLocalReply(exchange, record, reply, settings, context.onResponse, context.finish);
    },
  };
  choose(context);
  const limits = limitsOf(context, settings);
  if (limits !== noLimits) clocks(limits);
  exchange.onRefused = context.interrupt;
  exchange.onClosed = () => {
    isOver = true;
    context.onInterrupt?.();
    record.flags.add('DC');
    record.details = 'downstream_remote_disconnect';
    context.finish();
  };
  return context;
};

const noLimits: Limits = { idleMs: undefined, requestMs: undefined, streamMs: undefined };

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

/** Chooses the rule and writes it into the record. */
const choose = (context: RequestContext): void => {
  const { table, record, config, request, random } = context;
  const decision = table?.select(request, random);
  context.decision = decision;
  context.route = decision?.route;
  record.routeName = decision?.route?.name;
  record.backend = decision?.kind === 'forward' ? config.backend(decision.target.backend) : undefined;
};

/** Step 10. */
const route = (
  context: RequestContext,
  options: PipelineOptions,
): LocalReply | undefined | Promise<LocalReply | undefined> => {
  const { decision } = context;
  if (decision === undefined) return replies.noRouteConfiguration;
  if (decision.kind === 'reply') {
    const edit = decision.route?.responseHeaders;
    if (edit !== undefined) context.onResponse.push((headers) => void edit(headers, noOperators));
    return decision.reply;
  }
  if (context.exchange.isWebsocket && !decision.route.allowsWebsocket) return replies.upgradeFailed;
  return options.forward(context, decision);
};

const noOperators = (): undefined => undefined;
