/**
 * Sessions of a rule: which destination and endpoint a request is bound to, and what its response tells the client
 * (spec/waypoint.md 3.10). Called by forward.ts and try.ts; data thread. The tokens themselves are @ambit/l7's business.
 */
import { issueSession, type RouteTarget, type Session, sessionOf } from '@ambit/l7';
import type { RequestContext } from '../filters/request-context.ts';
import type { ConfigSnapshot } from '../updates/config-store.ts';
import type { ForwardDecision } from './forward.ts';
import type { UpstreamEndpoint } from './pick.ts';
import type { SessionKey } from './session-key.ts';

/** The session of one request. */
export interface BoundSession {
  /** The decision with the destination of the session, where the rule still sends anything there. */
  readonly decision: ForwardDecision;
  /** True for the endpoint of the session. */
  readonly prefers: ((endpoint: UpstreamEndpoint) => boolean) | undefined;
  /** Tells the client where the answer came from. */
  answered(endpoint: UpstreamEndpoint): void;
}

/** Reads the session; undefined for rules without persistence. */
export const bindSession = (
  context: RequestContext,
  decision: ForwardDecision,
  keyOf: (config: ConfigSnapshot) => SessionKey,
): BoundSession | undefined => {
  const policy = decision.route.source.session;
  if (policy === undefined || policy.name === '') return undefined;
  const key = keyOf(context.config.snapshot);
  const nowSeconds = Date.now() / 1000;
  const session = sessionOf(policy, key, context.request, nowSeconds);
  const target = session === undefined ? undefined : targetOf(decision, session, key);
  const bound = target === undefined ? decision : { ...decision, target };
  const backend = key.mark(bound.target, bound.target.backend);
  return {
    decision: bound,
    prefers: target === undefined ? undefined : (endpoint) => key.mark(endpoint, endpoint.key) === session?.endpoint,
    answered: (endpoint) => {
      const current = { backend, endpoint: key.mark(endpoint, endpoint.key) };
      context.onRouteResponse.push((headers) => issueSession(policy, key, session, current, nowSeconds, headers));
    },
  };
};

/** Destinations of weight 0 end their sessions: that is how a version is taken out of service. */
const targetOf = ({ route, targets }: ForwardDecision, session: Session, key: SessionKey): RouteTarget | undefined =>
  route.source.action.case === 'forward'
    ? targets.find(
        (target) =>
          !target.invalid &&
          (target.weight > 0 || targets.length === 1) &&
          key.mark(target, target.backend) === session.backend,
      )
    : undefined;
