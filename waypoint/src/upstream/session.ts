/**
 * Sessions of a rule: which destination and endpoint a request is bound to, and what its response tells the client
 * (spec/waypoint.md 3.10). Called by forward.ts and try.ts; data thread. The tokens themselves are @ambit/l7's business.
 */
import { endpointMark, issueSession, type RouteTarget, type Session, sessionOf } from '@ambit/l7';
import type { RequestContext } from '../filters/request-context.ts';
import type { ForwardDecision } from './forward.ts';
import type { UpstreamEndpoint } from './pick.ts';

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
export const bindSession = (context: RequestContext, decision: ForwardDecision): BoundSession | undefined => {
  const policy = decision.route.source.session;
  if (policy === undefined || policy.name === '') return undefined;
  const nowSeconds = Date.now() / 1000;
  const session = sessionOf(policy, context.request, nowSeconds);
  const target = session === undefined ? undefined : targetOf(decision, session);
  const bound = target === undefined ? decision : { ...decision, target };
  const backend = endpointMark(bound.target.backend);
  return {
    decision: bound,
    prefers: target === undefined ? undefined : (endpoint) => endpointMark(endpoint.key) === session?.endpoint,
    answered: (endpoint) => {
      const current = { backend, endpoint: endpointMark(endpoint.key) };
      context.onRouteResponse.push((headers) => issueSession(policy, session, current, nowSeconds, headers));
    },
  };
};

/** Destinations of weight 0 end their sessions: that is how a version is taken out of service. */
const targetOf = ({ route, targets }: ForwardDecision, session: Session): RouteTarget | undefined =>
  route.source.action.case === 'forward'
    ? targets.find(
        ({ backend, weight, invalid }) =>
          !invalid && (weight > 0 || targets.length === 1) && endpointMark(backend) === session.backend,
      )
    : undefined;
