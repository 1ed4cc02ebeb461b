/**
 * What the steps of the pipeline share about one request. Implemented by request-in-work.ts; data thread.
 */
import type {
  CompiledRoute,
  CompiledRouteTable,
  ExtAuthzCheck,
  ExtAuthzQuestion,
  ExtAuthzVerdict,
  GlobalRateCheck,
  GlobalRateVerdict,
  HeaderList,
  JwtCheck,
  LocalReply,
  RequestView,
  RouteDecision,
} from '@ambit/l7';
import type { RateLimitRequest } from '@ambit/proto/rate-limit';
import type { Snapshot } from '@ambit/state';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import type { Exchange } from '../http/exchange.ts';
import type { RequestBody } from '../http/request-body.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import type { CompiledConfig, FrontendPort } from '../updates/compiled-config.ts';

/** One request and the configuration with which it started. */
export interface RequestContext {
  readonly exchange: Exchange;
  readonly tunnel: Tunnel;
  readonly frontend: FrontendPort;
  readonly config: CompiledConfig;
  readonly snapshot: Snapshot;
  readonly record: RequestRecord;
  /** Normalized request; its headers are what goes to the backend and may be edited by steps. */
  request: RequestView & { readonly headers: HeaderList };
  /** Undefined when the frontend's table is missing. */
  readonly table: CompiledRouteTable | undefined;
  /** Route chosen before the first step, again after authentication; undefined when the table is missing. */
  decision: RouteDecision | undefined;
  route: CompiledRoute | undefined;
  /** Chooses the route again: `claims` where claims count, `always` in any case. */
  chooseAgain(when: 'claims' | 'always'): void;
  /** The body of the request; made on first use. */
  body(): RequestBody;
  /** Asks a service for its verdict (upstream/ask-service.ts); never rejects. */
  askService(check: ExtAuthzCheck, question: ExtAuthzQuestion): Promise<ExtAuthzVerdict>;
  /** Asks a rate limit service (upstream/ask-rate-limit.ts); never rejects. */
  askRateLimit(check: GlobalRateCheck, question: RateLimitRequest): Promise<GlobalRateVerdict | undefined>;
  /** Own SPIFFE id. */
  readonly localPrincipal: string;
  /** Verifies a signature: undefined, or the words of the refusal. */
  verifyToken(check: JwtCheck): Promise<string | undefined>;
  /** Edits of the response head, in the order in which they are applied. */
  readonly onResponse: ((headers: HeaderList) => void)[];
  /** Edits of the router itself; they come before {@link onResponse}, and only for answers of backends. */
  readonly onRouteResponse: ((headers: HeaderList) => void)[];
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** True once the client has its answer or is gone: what is still under way for the request is to be dropped. */
  isOver(): boolean;
  /** Set when the answer of a backend begins: from then on a failure is a reset. */
  hasAnswered: boolean;
  /** Drops what is under way; set by the router. */
  onInterrupt: (() => void) | undefined;
  /** Ends the request with this reply, or, when an answer has begun, with a reset. */
  interrupt(reply: LocalReply): void;
  /** Bytes moved: the idle time starts again. */
  touch(): void;
  /** The route's timeout runs from the complete request on; undefined = none. */
  startTimeout(timeoutMs: number | undefined, reply: () => LocalReply): void;
  stopTimers(): void;
  /** Ends timers and record; nothing more will happen. */
  finish(): void;
}

/** One step: go on (undefined), or answer. A promise holds the request. */
export type Filter = (context: RequestContext) => LocalReply | undefined | Promise<LocalReply | undefined>;
