/**
 * External authorization over HTTP: the request to the service, and its response read (spec/waypoint.md 4.4). Pure; data thread.
 */
import type { ExtAuthz } from '@ambit/proto/waypoint';
import type { ExtAuthzQuestion, ExtAuthzVerdict } from '../ext-authz.ts';
import { HeaderList } from '../header-list.ts';
import { localReply } from '../local-reply.ts';
import { compileAny } from '../match/string-match.ts';

/** What to send to the service. */
export interface HttpCheck {
  readonly method: string;
  readonly target: string;
  readonly authority: string;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
}

/** Builds the request: original method, path and host, the headers that the configuration names, and some always. */
export const httpCheckOf = (config: ExtAuthz, question: ExtAuthzQuestion): HttpCheck => {
  const { request, body, isPartial } = question;
  const wanted = compileAny(config.checkHeaders, { ignoreCase: true });
  const headers = HeaderList.empty();
  for (const [name, value] of request.headers) {
    if (name === 'content-length' || name === 'host') continue;
    if (name === 'authorization' || wanted?.(name) === true) headers.append(name, value);
  }
  if (config.bodyMax > 0) headers.set('x-envoy-auth-partial-body', String(isPartial));
  for (const [name, value] of Object.entries(config.extra?.set ?? {})) headers.set(name.toLowerCase(), value);
  headers.set('content-length', String(body.byteLength));
  const query = request.query === undefined ? '' : `?${request.query}`;
  return {
    method: request.method,
    target: `${config.pathPrefix}${request.path}${query}`,
    authority: request.authority,
    headers,
    body,
  };
};

/** Fields that describe the connection or the length: the answer to the client gets its own. */
const neverPassedOn = new Set([
  'connection',
  'content-length',
  'date',
  'host',
  'keep-alive',
  'proxy-connection',
  'server',
  'transfer-encoding',
  'upgrade',
]);
/** Passed on with a denial whatever the list says. */
const alwaysPassedOn = new Set(['content-type', 'location', 'www-authenticate']);

/** Reads the response: 200 allows, 5xx is a failure, anything else is the answer to the client. */
export const httpVerdictOf = (
  config: ExtAuthz,
  response: { readonly status: number; readonly headers: HeaderList; readonly body: Uint8Array },
): ExtAuthzVerdict => {
  const { status, headers, body } = response;
  if (status >= 500 || status < 200) return { kind: 'error' };
  if (status !== 200) {
    const wanted = compileAny(config.denyHeaders, { ignoreCase: true }) ?? (() => true);
    const passed = [...headers].filter(
      ([name]) => !neverPassedOn.has(name) && (alwaysPassedOn.has(name) || wanted(name)),
    );
    return { kind: 'deny', reply: localReply(status, body, 'ext_authz_denied', { headers: passed, flag: 'UAEX' }) };
  }
  const toBackend = select(headers, compileAny(config.upstreamHeaders, { ignoreCase: true }));
  const toClient = select(headers, compileAny(config.allowHeaders, { ignoreCase: true }));
  return {
    kind: 'allow',
    editRequest: (list) => {
      for (const [name] of toBackend) list.remove(name);
      for (const [name, value] of toBackend) list.append(name, value);
    },
    editResponse: (list) => {
      for (const [name, value] of toClient) list.append(name, value);
    },
    editQuery: (query) => query,
  };
};

const select = (
  headers: HeaderList,
  wanted: ((name: string) => boolean) | undefined,
): readonly (readonly [string, string])[] =>
  wanted === undefined ? [] : [...headers].filter(([name]) => !neverPassedOn.has(name) && wanted(name));
