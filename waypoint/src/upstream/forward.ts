/**
 * The router: a decided request -> tries against endpoints -> one response to the client (spec/waypoint.md 5.7, 6.2).
 * Path 4, steps 7 to 9, under the retry plan of the route. Data thread.
 * Border rule: until the first response byte a failure is a local reply (returned); after it, only a reset.
 */
import {
  effectiveTimeoutMs,
  type LocalReply,
  replies,
  retryDelayMs,
  type RouteDecision,
  type TryOutcome,
  upstreamFailureReply,
  wantsRetry,
} from '@ambit/l7';
import { type Backend, Backend_Kind } from '@ambit/proto/waypoint';
import { setTimeout as pause } from 'node:timers/promises';
import { UpstreamError, WaypointError } from '../errors.ts';
import type { RequestContext } from '../filters/request-context.ts';
import type { Http2Client } from '../http/h2/client.ts';
import type { UpstreamClient, UpstreamResponse } from '../http/upstream.ts';
import type { Breakers } from './breakers.ts';
import type { SendMirrors } from './mirror.ts';
import type { Picker } from './pick.ts';
import { relayResponse } from './relay-response.ts';
import { type BoundSession, bindSession } from './session.ts';
import type { SessionKey } from './session-key.ts';
import type { ConfigSnapshot } from '../updates/config-store.ts';
import type { TlsPlanner } from './tls-origination.ts';
import type { Transport } from './transport.ts';
import { Tries } from './try.ts';

/** A decision to send the request to a backend. */
export type ForwardDecision = RouteDecision & { readonly kind: 'forward' };

/** What the router needs from its data thread. */
export interface RouterOptions {
  readonly picker: Picker;
  readonly transport: Transport;
  readonly http1: UpstreamClient;
  readonly http2: Http2Client;
  /** Address of this waypoint, to find its own workload. */
  readonly ownIp: string;
  readonly tls: TlsPlanner;
  readonly breakers: Breakers;
  readonly mirror: SendMirrors;
  readonly sessionKey: (config: ConfigSnapshot) => SessionKey;
  /** Baggage of this waypoint for the CONNECT, when the mesh wants it. */
  readonly baggage: () => string | undefined;
}

/** Forwards one request. Resolves with the reply to send, or undefined when the client has its answer. */
export const createRouter =
  (options: RouterOptions) =>
  async (context: RequestContext, chosen: ForwardDecision): Promise<LocalReply | undefined> => {
    const session = bindSession(context, chosen, options.sessionKey);
    const decision = session?.decision ?? chosen;
    const backend = decision.target.backend === '' ? undefined : context.config.backend(decision.target.backend);
    if (decision.target.backend !== '' && backend === undefined) {
      return replies.backendNotFound(context.table?.gatewaySemantics ?? false);
    }
    context.record.backend = backend;
    const reply = await forward(context, decision, backend, options, session);
    return reply === undefined ? undefined : withAttempts(reply, context);
  };

/** Failures of tries tell the client how many there were, where that is wanted. */
const withAttempts = (reply: LocalReply, { config, record }: RequestContext): LocalReply =>
  config.settings.attemptCountInResponse
    ? { ...reply, headers: [['x-envoy-attempt-count', String(record.attempts)], ...reply.headers] }
    : reply;

const forward = async (
  context: RequestContext,
  decision: ForwardDecision,
  backend: Backend | undefined,
  options: RouterOptions,
  session: BoundSession | undefined,
): Promise<LocalReply | undefined> => {
  const { record, request } = context;
  const plan = decision.route.retry;
  const body = context.body();
  const timeoutMs = effectiveTimeoutMs(decision.route.timeouts, request.headers.get('grpc-timeout'));
  const tries = new Tries(context, decision, backend, options, timeoutMs, session);
  const onInterrupt = () => {
    body.detach();
    body.release();
    record.requestBodyBytes = body.bytes;
    tries.cancel(new WaypointError('ERR_WAYPOINT_CLIENT_GONE', 'the request ended before the response'));
  };
  context.onInterrupt = onInterrupt;
  context.startTimeout(timeoutMs, () => withAttempts(replies.responseTimeout, context));
  let retrying: Disposable | undefined;
  for (let attempt = 1; ; attempt++) {
    const outcome = await tries.once(attempt);
    retrying?.[Symbol.dispose]();
    record.requestBodyBytes = body.bytes;
    if (context.isOver()) return undefined;
    if (outcome === 'no-endpoint')
      return backend?.kind === Backend_Kind.DYNAMIC_DNS ? replies.dnsFailure : replies.noHealthyUpstream;
    const mayRetry =
      body.isReplayable && !context.exchange.isWebsocket && wantsRetry(plan, request.method, asOutcome(outcome));
    retrying = mayRetry && attempt <= plan.maxRetries ? options.breakers.enter(backend, 'retry') : undefined;
    if (mayRetry && attempt <= plan.maxRetries && retrying === undefined) record.flags.add('UO');
    if (retrying !== undefined) {
      giveUp(context, outcome, tries);
      await pause(retryDelayMs(plan, attempt, context.random()));
      if (!context.isOver()) continue;
      retrying[Symbol.dispose]();
      return undefined;
    }
    if (mayRetry && attempt > plan.maxRetries && plan.maxRetries > 0) record.flags.add('URX');
    if (outcome instanceof UpstreamError) {
      if (outcome.failure.kind === 'connect') record.transportFailure = outcome.failure.reason.replaceAll(' ', '_');
      body.detach();
      body.release();
      return upstreamFailureReply(outcome.failure, attempt > 1);
    }
    context.hasAnswered = true;
    tries.accepted();
    relayResponse(
      context,
      decision,
      outcome,
      (reason) => tries.cancel(reason),
      () => tries.release(),
    );
    return undefined;
  }
};

/** A try that is not shown to the client: drop its response. */
const giveUp = (context: RequestContext, outcome: UpstreamResponse | UpstreamError, tries: Tries): void => {
  const body = context.body();
  body.detach();
  if (outcome instanceof UpstreamError) return;
  if (outcome.upgraded !== undefined) outcome.upgraded.endpoint.close();
  // A backend that answered before it had the whole body: its connection cannot be used again.
  else if (!body.isComplete) tries.cancel(new WaypointError('ERR_WAYPOINT_UPSTREAM', 'another try replaces this one'));
  else outcome.body.discard();
};

const asOutcome = (outcome: UpstreamResponse | UpstreamError): TryOutcome =>
  outcome instanceof UpstreamError
    ? { kind: 'failure', failure: outcome.failure, requestSent: outcome.requestSent }
    : { kind: 'response', status: outcome.status, headers: outcome.headers };
