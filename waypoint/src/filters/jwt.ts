/** Step 4: RequestAuthentication (spec/waypoint.md 3.1, 4.3). Data thread. */
import { acceptJwt, type JwtFailure, type LocalReply, refuseJwt, type JwtAuthenticator } from '@ambit/l7';
import type { Filter, RequestContext } from './request-context.ts';

/** Verifies the token of a request; its claims then belong to the request, also for the choice of the route. */
export const authenticate: Filter = (context) => {
  const authenticator = context.frontend.jwt();
  return authenticator === undefined ? undefined : check(context, authenticator);
};

const check = async (context: RequestContext, authenticator: JwtAuthenticator): Promise<LocalReply | undefined> => {
  authenticator.removeOwnedHeaders(context.request.headers);
  const plan = authenticator.plan(context.request, Date.now() / 1000);
  if (plan === undefined) return undefined;
  const failures: JwtFailure[] = [...plan.failures];
  for (const candidate of plan.checks) {
    const problem = await context.verifyToken(candidate);
    if (problem === undefined) {
      context.record.explanation['token_issuer'] = candidate.token.issuer;
      context.request = acceptJwt(candidate, context.request);
      // A token that was taken out of the query is not logged either.
      const { path, query } = context.request;
      context.record.path = query === undefined ? path : `${path}?${query}`;
      context.chooseAgain('claims');
      return undefined;
    }
    failures.push({ text: problem, isOwnIssuer: true });
  }
  return refuseJwt(failures, context.request);
};
