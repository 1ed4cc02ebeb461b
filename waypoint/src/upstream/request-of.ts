/**
 * A decided request -> what the backend of one try gets: edits of rule and destination, rewrites, marks of the proxy
 * (spec/waypoint.md 3.5, 3.7, 4.6.3). Pure; called by try.ts, and for operators by relay-response.ts. Data thread.
 */
import type { CompiledRewrite, OperatorValues } from '@ambit/l7';
import type { RequestContext } from '../filters/request-context.ts';
import type { RequestBody } from '../http/request-body.ts';
import type { ConnectionRules, UpstreamRequest } from '../http/upstream.ts';
import type { ForwardDecision } from './forward.ts';

/** Builds the request of try number `attempt`. */
export const upstreamRequestOf = (
  context: RequestContext,
  { route, target, matchedPrefix }: ForwardDecision,
  attempt: number,
  body: RequestBody,
  timeoutMs: number | undefined,
  rules: ConnectionRules | undefined,
): UpstreamRequest => {
  const { request, exchange } = context;
  const headers = request.headers.clone();
  if (timeoutMs !== undefined) headers.set('x-envoy-expected-rq-timeout-ms', String(Math.round(timeoutMs)));
  headers.set('x-envoy-attempt-count', String(attempt));
  const values = operatorValues(context);
  const targetEdit = target.requestHeaders(headers, values);
  const routeEdit = route.requestHeaders(headers, values);
  const path = rewrittenPath([route.rewrite, target.rewrite], request.path, matchedPrefix);
  const originalTarget = targetOf(request.path, request.query);
  const newTarget = path === undefined ? originalTarget : targetOf(path, request.query);
  const host = route.rewrite?.host ?? target.rewrite?.host ?? routeEdit.host ?? targetEdit.host;
  if (host !== undefined && host !== request.authority) headers.set('x-envoy-original-host', request.authority);
  if (newTarget !== originalTarget) headers.set('x-envoy-original-path', originalTarget);
  headers.remove('host');
  return {
    method: request.method,
    target: newTarget,
    authority: host ?? request.authority,
    scheme: request.scheme,
    headers,
    body,
    hasBody: exchange.hasBody,
    trailers: () => trailersFor(context),
    isWebsocket: exchange.isWebsocket,
    foldsCookies: exchange.protocol === 'HTTP/2',
    rules,
  };
};

/** Trailers of HTTP/1.1 requests travel where the client speaks of trailers; those of HTTP/2 always. */
const trailersFor = ({ exchange, request }: RequestContext): readonly string[] =>
  exchange.protocol === 'HTTP/2' || request.headers.has('te') ? exchange.requestTrailers() : [];

/** Values of command operators in header edits. */
export const operatorValues = ({ request, tunnel, exchange, record }: RequestContext): OperatorValues => {
  return (operator) => {
    const argument = operator.endsWith(')') ? operator.slice(operator.indexOf('(') + 1, -1) : undefined;
    switch (argument === undefined ? operator : operator.slice(0, operator.indexOf('('))) {
      case 'REQ':
        return argument === undefined ? undefined : requestField(request, argument.toLowerCase());
      case 'DOWNSTREAM_REMOTE_ADDRESS':
        return tunnel.clientAddress;
      case 'DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT':
        return tunnel.sourceIp;
      case 'DOWNSTREAM_PEER_URI_SAN':
        return tunnel.peer.principal;
      case 'PROTOCOL':
        return exchange.protocol;
      case 'ROUTE_NAME':
        return record.routeName;
      case 'START_TIME':
        return new Date(record.startedAtMs).toISOString();
      default:
        return undefined;
    }
  };
};

const rewrittenPath = (
  rewrites: readonly (CompiledRewrite | undefined)[],
  path: string,
  matchedPrefix: string | undefined,
): string | undefined => {
  for (const rewrite of rewrites) if (rewrite?.path !== undefined) return rewrite.path(path, matchedPrefix);
  return undefined;
};

const targetOf = (path: string, query: string | undefined): string => (query === undefined ? path : `${path}?${query}`);

const requestField = (request: RequestContext['request'], name: string): string | undefined => {
  switch (name) {
    case ':method':
      return request.method;
    case ':path':
      return targetOf(request.path, request.query);
    case ':authority':
      return request.authority;
    case ':scheme':
      return request.scheme;
    default:
      return request.headers.joined(name);
  }
};
