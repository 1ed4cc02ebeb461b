/**
 * The order of the request pipeline (spec/waypoint.md 3.1), and the only place that knows it.
 * Path 4, step 5: in: an exchange of a tunnel; out: exactly one answer and one completed record. Data thread.
 *
 * Steps of 3.1 without an engine yet (extensions): their policies make step 6 deny, so that a request never passes a
 * restriction that nobody checks. Services of a single rule are asked after step 6, when the rule is known for good.
 */
import {
  HeaderList,
  isGrpc,
  type JwtCheck,
  type LocalReply,
  renderLocalReply,
  replies,
  type RouteDecision,
} from '@ambit/l7';
import type { Snapshot } from '@ambit/state';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import { RequestBody } from '../http/request-body.ts';
import { RequestRecord, type RecordSink } from '../telemetry/request-record.ts';
import type { CompiledConfig, ProxySettings } from '../updates/compiled-config.ts';
import type { AskService } from '../upstream/ask-service.ts';
import { authorize } from './authorize.ts';
import { cors } from './cors.ts';
import { askForFrontend, askForRule } from './ext-authz.ts';
import { fault } from './fault.ts';
import { cleanRequest } from './hygiene.ts';
import { authenticate } from './jwt.ts';
import { rateLimit } from './rate-limit.ts';
import type { Filter, RequestContext } from './request-context.ts';

const steps: readonly Filter[] = [askForFrontend, authenticate, authorize, askForRule, rateLimit, fault, cors];

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
    note(record, reply);
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
  const reply = (answer: LocalReply, onResponse: RequestContext['onResponse'] = []): void =>
    sendLocalReply(exchange, record, answer, config.settings, onResponse);
  const current = config.frontendPort(tunnel.frontend.key, tunnel.frontend.port);
  const frontend = typeof current === 'string' ? tunnel.frontend : current;
  const cleaned = cleanRequest(exchange, tunnel, frontend.port, config.settings, options.localPrincipal());
  if (!cleaned.ok) {
    reply(cleaned.reply);
    return;
  }
  const { request } = cleaned;
  record.requestId = cleaned.requestId;
  record.path = request.query === undefined ? request.path : `${request.path}?${request.query}`;
  const routes = frontend.routes();
  const table = routes.kind === 'table' ? routes.table : undefined;
  let body: RequestBody | undefined;
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
    random: options.random,
    verifyToken: options.verifyToken,
    chooseAgain: (when) => {
      if (when === 'always' || table?.usesClaims === true) choose(context);
    },
    body: () => (body ??= new RequestBody(exchange.hasBody ? exchange.body : undefined)),
    askService: (check, question) => options.askService(context, check, question),
    localPrincipal: options.localPrincipal(),
  };
  choose(context);
  let isGone = false;
  exchange.onClosed = () => {
    isGone = true;
    record.flags.add('DC');
    record.details = 'downstream_remote_disconnect';
    record.complete();
  };
  for (const step of steps) {
    const pending = step(context);
    const answer = pending instanceof Promise ? await pending : pending;
    if (isGone) return;
    if (answer !== undefined) {
      reply(answer, context.onResponse);
      return;
    }
  }
  const answer = await route(context, options);
  if (answer !== undefined) reply(answer, context.onResponse);
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
const route = async (context: RequestContext, options: PipelineOptions): Promise<LocalReply | undefined> => {
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

/** Writes an answer of our own and completes the record. */
const sendLocalReply = (
  exchange: Exchange,
  record: RequestRecord,
  reply: LocalReply,
  settings: ProxySettings,
  onResponse: RequestContext['onResponse'],
): void => {
  note(record, reply);
  const rendered = renderLocalReply(reply, exchange.head.headers.get('content-type'));
  const { headers } = rendered;
  for (const edit of onResponse) edit(headers);
  finishResponseHeaders(headers, settings);
  const headOnly = exchange.head.method === 'HEAD' || rendered.body.length === 0;
  record.status = rendered.status;
  record.grpcStatus = headers.get('grpc-status');
  record.responseHeaderBytes = headers.byteLength;
  record.responseHeaders = headers;
  exchange.onClosed = () => record.complete();
  exchange.body.resume(); // what the client still sends is dropped
  const bytes = typeof rendered.body === 'string' ? Buffer.from(rendered.body) : rendered.body;
  if (!headOnly) record.responseBodyBytes = bytes.byteLength;
  const send = (): void => {
    const closeConnection = reply.closeConnection || !exchange.isRequestComplete;
    exchange.respond(rendered.status, headers, { endStream: headOnly, closeConnection });
    if (headOnly) return;
    exchange.sink.write(bytes);
    exchange.end(undefined);
  };
  // A body that came together with its head is complete one turn later, and the connection can be kept.
  if (exchange.isRequestComplete) send();
  else setImmediate(send);
};

const note = (record: RequestRecord, reply: LocalReply): void => {
  record.status = reply.status;
  record.details = reply.details;
  if (reply.flag !== undefined) record.flags.add(reply.flag);
};

/** `date` if absent, `server` always. */
export const finishResponseHeaders = (headers: HeaderList, settings: ProxySettings): void => {
  if (!headers.has('date')) headers.append('date', new Date().toUTCString());
  headers.set('server', settings.serverName);
};
