/** Step 6: AuthorizationPolicy, AUDIT then DENY then ALLOW (spec/waypoint.md 3.1, 4.1.2). Data thread. */
import { replies } from '@ambit/l7';
import type { RequestContext, Filter } from './request-context.ts';

/** Denies with `RBAC: access denied`, or goes on. */
export const authorize: Filter = (context) => {
  for (const authorizer of authorizersOf(context)) {
    const verdict = authorizer.authorize(context.request);
    const { explanation } = context.record;
    if (verdict.audited.length > 0) explanation['audited'] = verdict.audited.join(' ');
    if (verdict.dryRun.length > 0) explanation['dry_run'] = verdict.dryRun.join(' ');
    if (!verdict.allow) explanation['denied_by'] = verdict.policy;
    if (!verdict.allow) return replies.accessDenied(verdict.policy);
  }
  return undefined;
};

/** The frontend's pool, and that of the chosen rule where it has policies of its own. */
const authorizersOf = ({ frontend, route, config }: RequestContext) =>
  route === undefined || route.source.policies.length === 0
    ? [frontend.httpAuthorizer()]
    : [frontend.httpAuthorizer(), config.rulePolicies(route.source, frontend.port).authorizer];
