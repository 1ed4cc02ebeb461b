/**
 * The order of the request pipeline (spec/waypoint.md 3.1), and the only place that knows it.
 * Path 4, step 5: in: an exchange of a tunnel; out: exactly one answer and one completed record. Data thread.
 *
 * Steps of 3.1 without an engine yet (extensions): their policies make step 6 deny, so that a request never passes a
 * restriction that nobody checks. Services of a single rule are asked after step 6, when the rule is known for good.
 */
import { HeaderList, isGrpc, type LocalReply, replies, type RouteDecision } from '@ambit/l7';
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import { RequestRecord, type RecordSink } from '../telemetry/request-record.ts';
import { startTrace } from '../tracing/start.ts';
import type { CompiledConfig } from '../updates/compiled-config.ts';
import { noteReply, sendLocalReply } from './answer.ts';
import { authorize } from './authorize.ts';
import { bufferBody } from './buffer.ts';
import { cors } from './cors.ts';
import { askForFrontend, askForRule } from './ext-authz.ts';
import { fault } from './fault.ts';
import { cleanRequest } from './hygiene.ts';
import { authenticate } from './jwt.ts';
import { rateLimit } from './rate-limit.ts';
import type { Filter, RequestContext } from './request-context.ts';
import { RequestInWork, type RequestServices } from './request-in-work.ts';

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
export interface PipelineOptions extends RequestServices {
  readonly config: () => CompiledConfig;
  readonly onRecord: RecordSink;
  /** The last step (upstream/forward.ts): answers, or says which local reply to send. */
  readonly forward: (
    context: RequestContext,
    decision: RouteDecision & { readonly kind: 'forward' },
  ) => Promise<LocalReply | undefined>;
  readonly log: Logger;
}

/** Runs requests through the steps. */
export interface Pipeline {
  /** Never throws and never rejects. */
  handle(exchange: Exchange, tunnel: Tunnel): void;
  /** Records a request that the parser refused. */
  refused(reply: LocalReply, tunnel: Tunnel, protocol: Exchange['protocol']): void;
}

/** Makes the pipeline of a data thread. */
export const createPipeline = (options: PipelineOptions): Pipeline => ({
  handle: (exchange, tunnel) => begin(exchange, tunnel, options),
  refused: (reply, tunnel, protocol) => {
    const record = new RequestRecord(
      {
        tunnel,
        protocol,
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

/** Takes a request as far as it goes without waiting; most go all the way to their backend in one turn. */
const begin = (exchange: Exchange, tunnel: Tunnel, options: PipelineOptions): void => {
  const record = new RequestRecord(startOf(exchange, tunnel), options.onRecord);
  try {
    run(exchange, tunnel, record, options)?.catch((error: unknown) => failed(exchange, record, options, error));
  } catch (error) {
    failed(exchange, record, options, error);
  }
};

const failed = (exchange: Exchange, record: RequestRecord, { log }: PipelineOptions, error: unknown): void => {
  log.error('request failed', { error: explain(error) });
  record.details ??= 'internal_error';
  exchange.abort(error instanceof Error ? error : new Error('request failed', { cause: error }));
  record.complete();
};

const run = (
  exchange: Exchange,
  tunnel: Tunnel,
  record: RequestRecord,
  options: PipelineOptions,
): Promise<void> | undefined => {
  const config = options.config();
  const { settings } = config;
  const current = config.frontendPort(tunnel.frontend.key, tunnel.frontend.port);
  const frontend = typeof current === 'string' ? tunnel.frontend : current;
  const cleaned = cleanRequest(exchange, tunnel, frontend.port, settings, options.localPrincipal());
  if (!cleaned.ok) {
    if (cleaned.path !== undefined) record.path = cleaned.path;
    sendLocalReply(exchange, record, cleaned.reply, settings, [], () => record.complete());
    return undefined;
  }
  const context = new RequestInWork(exchange, tunnel, frontend, config, record, cleaned, options);
  context.start();
  const tracing = frontend.tracing();
  if (tracing !== undefined) record.trace = startTrace(context.request.headers, tracing, options.random);
  if (cleaned.answersContinue) exchange.interim(100, HeaderList.empty());
  return walk(context, 0, options);
};

/** The steps from number `first` on; a promise only where one of them, or the backend, has to be waited for. */
const walk = (context: RequestInWork, first: number, options: PipelineOptions): Promise<void> | undefined => {
  for (let index = first; index < steps.length; index++) {
    const answer = (steps[index] as Filter)(context);
    if (answer instanceof Promise) return goOn(context, answer, index, options);
    if (context.isOver()) return undefined;
    if (answer !== undefined) {
      context.interrupt(answer);
      return undefined;
    }
  }
  const answer = route(context, options);
  if (answer instanceof Promise) return lastAnswer(context, answer);
  if (answer !== undefined) context.interrupt(answer);
  return undefined;
};

const goOn = async (
  context: RequestInWork,
  pending: Promise<LocalReply | undefined>,
  index: number,
  options: PipelineOptions,
): Promise<void> => {
  const answer = await pending;
  if (context.isOver()) return;
  if (answer === undefined) await walk(context, index + 1, options);
  else context.interrupt(answer);
};

const lastAnswer = async (context: RequestInWork, pending: Promise<LocalReply | undefined>): Promise<void> => {
  const answer = await pending;
  if (answer !== undefined) context.interrupt(answer);
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
