/** The rule of a frontend that no user route is attached to (spec/waypoint.md 3.2, rule 5). Data thread. */
import { type CompiledRoute, noHeaderEdit, type RetryPlan, type RouteTarget } from '@ambit/l7';
import { create } from '@bufbuild/protobuf';
import { HttpRouteSchema } from '@ambit/proto/waypoint';

/** A rule named `default` without timeouts. */
export const defaultRoute = (retry: RetryPlan): CompiledRoute => ({
  name: 'default',
  namespace: '',
  requestHeaders: noHeaderEdit,
  responseHeaders: noHeaderEdit,
  rewrite: undefined,
  timeouts: { requestMs: undefined, idleMs: undefined, streamMs: undefined },
  retry,
  cors: undefined,
  fault: undefined,
  allowsWebsocket: true,
  source: create(HttpRouteSchema, { name: 'default' }),
});

/** Its only destination. */
export const defaultTarget = (backend: string): RouteTarget => ({
  backend,
  weight: 1,
  invalid: false,
  requestHeaders: noHeaderEdit,
  responseHeaders: noHeaderEdit,
  rewrite: undefined,
  redirect: undefined,
  mirrors: [],
});
