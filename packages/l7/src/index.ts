/** Pure L7 decisions of the mesh: what to do with a request, never how to move it. No sockets, no `node:` imports. */
export { type Authorization, type Authorizer, type AuthorizerInput, compileAuthorizer } from './authorize.ts';
export { compileCidrs } from './authorize/cidr.ts';
export { type CompiledCors, compileCors } from './cors.ts';
export { durationMs, forTimer, positiveMs, timerMs } from './duration.ts';
export { L7Error, type L7ErrorCode } from './errors.ts';
export {
  compileExtAuthz,
  type ExtAuthzCheck,
  extAuthzBodyTooLarge,
  extAuthzErrorReply,
  type ExtAuthzQuestion,
  type ExtAuthzVerdict,
} from './ext-authz.ts';
export { CHECK_PATH, grpcCheckOf, grpcVerdictOf } from './ext-authz/grpc.ts';
export { type HttpCheck, httpCheckOf, httpVerdictOf } from './ext-authz/http.ts';
export { type CompiledFault, compileFault, type FaultDecision } from './fault.ts';
export { type HashKey, hashKeyOf, hashOfConnection } from './hash.ts';
export { buildMaglev, buildRing, type HashTable } from './hash/table.ts';
export { type Hash64, xxHash64 } from './hash/xxhash64.ts';
export {
  compileGlobalRateLimit,
  type GlobalRateCheck,
  globalRateErrorReply,
  globalRateLimitsOf,
  type GlobalRateVerdict,
  globalRateVerdictOf,
  RATE_LIMIT_PATH,
} from './global-rate-limit.ts';
export { HeaderList } from './header-list.ts';
export { compileHeaderOps, type HeaderEdit, noHeaderEdit, type OperatorValues, removeHopByHop } from './headers.ts';
export {
  acceptJwt,
  compileJwt,
  type CompiledJwtRule,
  type JwtAuthenticator,
  type JwtCheck,
  type JwtFailure,
  type JwtPlan,
  jwtProblems,
  refuseJwt,
} from './jwt.ts';
export type { JwtAlgorithm, ParsedJwt } from './jwt/parse.ts';
export {
  grpcStatusOf,
  isGrpc,
  type LocalReply,
  localReply,
  type RenderedReply,
  renderLocalReply,
  replies,
  type ResponseFlag,
  type UpstreamFailure,
  upstreamFailureReply,
} from './local-reply.ts';
export { type NormalizedPath, normalizePath, type PathNormalization } from './normalize-path.ts';
export { type ConnectionView, noPeer, type PeerFacts, peerFactsOf, type RequestView } from './request-view.ts';
export { createRateLimiter, type LimiterPlace, type RateLimiter, type RateVerdict } from './rate-limit.ts';
export { bucketMemory, createTokenBuckets, type TokenBuckets } from './rate-limit/buckets.ts';
export {
  compileRetryPlan,
  defaultRetryPlan,
  isIdempotent,
  retryDelayMs,
  type RetryPlan,
  type TryOutcome,
  wantsRetry,
} from './retry.ts';
export { type CompiledRewrite, compileRewrite } from './rewrite.ts';
export {
  chooseByWeight,
  type CompiledRoute,
  type CompiledRouteTable,
  compileRouteTable,
  type RouteDecision,
  type RouteTableOptions,
  type RouteTarget,
} from './route.ts';
export { issueSession, type Session, type SessionSigner, sessionOf } from './session.ts';
export { compileTimeouts, effectiveTimeoutMs, parseGrpcTimeout, type RouteTimeouts } from './timeouts.ts';
export { setTraceContext, type TraceContext, traceContextOf, type TraceFormat } from './trace-context.ts';
export { compileRegex } from './match/regex.ts';
