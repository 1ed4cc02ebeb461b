/** Cross-origin rules of a route (spec/waypoint.md 3.9). Pure; asked by the waypoint's cors filter on the data thread. */
import type { Cors } from '@ambit/proto/waypoint';
import { durationMs } from './duration.ts';
import type { HeaderList } from './header-list.ts';
import { type LocalReply, localReply } from './local-reply.ts';
import { compileAny } from './match/string-match.ts';

/** Compiled rule. */
export interface CompiledCors {
  /** Answer to a preflight, or undefined when the request goes on. */
  preflight(method: string, request: HeaderList): LocalReply | undefined;
  /** Adds the headers of a simple request to the response. */
  decorate(request: HeaderList, response: HeaderList): void;
}

/** Compiles a rule; throws ERR_L7_REGEX. */
export const compileCors = (cors: Cors): CompiledCors => {
  const accepts = compileAny(cors.origins);
  const isAllowed = (origin: string | undefined): origin is string =>
    origin !== undefined && accepts?.(origin) === true;
  return {
    preflight: (method, request) => {
      const wantedMethod = request.get('access-control-request-method');
      const origin = request.get('origin');
      if (method !== 'OPTIONS' || wantedMethod === undefined || origin === undefined) return undefined;
      if (!isAllowed(origin)) return cors.answerUnmatched ? localReply(204, '', 'cors_response') : undefined;
      return localReply(200, '', 'cors_response', { headers: preflightHeaders(cors, origin, wantedMethod, request) });
    },
    decorate: (request, response) => {
      const origin = request.get('origin');
      if (!isAllowed(origin)) return;
      response.set('access-control-allow-origin', origin);
      if (cors.credentials) response.set('access-control-allow-credentials', 'true');
      if (cors.expose.length > 0) response.set('access-control-expose-headers', cors.expose.join(','));
      response.append('vary', 'Origin');
    },
  };
};

const preflightHeaders = (cors: Cors, origin: string, method: string, request: HeaderList): [string, string][] => {
  const headers: [string, string][] = [['access-control-allow-origin', origin]];
  if (cors.credentials) headers.push(['access-control-allow-credentials', 'true']);
  const methods = listOf(cors.methods, method, cors.credentials);
  if (methods !== '') headers.push(['access-control-allow-methods', methods]);
  const names = listOf(cors.headers, request.get('access-control-request-headers') ?? '', cors.credentials);
  if (names !== '') headers.push(['access-control-allow-headers', names]);
  const maxAgeMs = durationMs(cors.maxAge);
  if (maxAgeMs !== undefined) headers.push(['access-control-max-age', String(Math.floor(maxAgeMs / 1000))]);
  if (cors.expose.length > 0) headers.push(['access-control-expose-headers', cors.expose.join(',')]);
  headers.push(['vary', 'Origin']);
  return headers;
};

/** A `*` list with credentials echoes what was asked: browsers refuse `*` there. */
const listOf = (configured: readonly string[], asked: string, credentials: boolean): string =>
  credentials && configured.includes('*') ? asked : configured.join(',');
