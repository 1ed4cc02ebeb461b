/**
 * External authorization over gRPC, `envoy.service.auth.v3.Authorization/Check`: the message to the service, and its answer
 * read (spec/waypoint.md 4.4). Pure; data thread.
 */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  type DeniedHttpResponse,
  type HeaderValueOption,
  type OkHttpResponse,
} from '@ambit/proto/ext-authz';
import type { ExtAuthz } from '@ambit/proto/waypoint';
import type { ExtAuthzQuestion, ExtAuthzVerdict } from '../ext-authz.ts';
import type { HeaderList } from '../header-list.ts';
import { isHeaderName, isHeaderValue } from '../headers.ts';
import { localReply } from '../local-reply.ts';

/** Path of the method. */
export const CHECK_PATH = '/envoy.service.auth.v3.Authorization/Check';

/** Builds the question. */
export const grpcCheckOf = (config: ExtAuthz, question: ExtAuthzQuestion): CheckRequest => {
  const { request, body, isPartial, source } = question;
  const path = request.query === undefined ? request.path : `${request.path}?${request.query}`;
  const headers: Record<string, string> = {
    ':method': request.method,
    ':path': path,
    ':authority': request.authority,
    ':scheme': request.scheme,
  };
  for (const [name] of request.headers) {
    // A map of the wire: `__proto__` would be the prototype of this one.
    if (name !== '__proto__') headers[name] = request.headers.joined(name) ?? '';
  }
  if (config.bodyMax > 0) headers['x-envoy-auth-partial-body'] = String(isPartial);
  return create(CheckRequestSchema, {
    attributes: {
      source: {
        address: { socketAddress: { address: source.ip, portValue: source.port } },
        principal: request.peer.principal ?? '',
      },
      destination: {
        address: { socketAddress: { address: request.destinationIp ?? '', portValue: request.port } },
        principal: question.localPrincipal,
      },
      request: {
        time: timestampFromMs(question.startedAtMs),
        http: {
          id: question.requestId,
          method: request.method,
          headers,
          path,
          host: request.authority,
          scheme: request.scheme,
          protocol: question.protocol,
          size: BigInt(lengthOf(request.headers)),
          ...(config.packBytes ? { rawBody: body } : { body: new TextDecoder().decode(body) }),
        },
      },
    },
  });
};

/** Announced length, -1 when there is none. */
const lengthOf = (headers: HeaderList): number => {
  const length = Number(headers.get('content-length') ?? Number.NaN);
  return Number.isSafeInteger(length) ? length : -1;
};

/** Reads the answer: status 0 allows, everything else is a denial. */
export const grpcVerdictOf = ({ status, httpResponse }: CheckResponse): ExtAuthzVerdict => {
  const isAllowed = (status?.code ?? 0) === 0 && status !== undefined;
  if (!isAllowed) {
    return { kind: 'deny', reply: denialOf(httpResponse.case === 'deniedResponse' ? httpResponse.value : undefined) };
  }
  if (httpResponse.case === 'deniedResponse') return { kind: 'error' }; // contradicts itself
  return allowOf(httpResponse.value);
};

const denialOf = (denied: DeniedHttpResponse | undefined) => {
  const code = denied?.status?.code ?? 0;
  const headers = (denied?.headers ?? []).map(fieldOf).filter((field) => field !== undefined);
  return localReply(code >= 200 && code <= 599 ? code : 403, denied?.body ?? '', 'ext_authz_denied', {
    headers: headers.filter(([name]) => name !== 'content-length' && name !== 'transfer-encoding'),
    flag: 'UAEX',
  });
};

const allowOf = (ok: OkHttpResponse | undefined): ExtAuthzVerdict => ({
  kind: 'allow',
  editRequest: (headers) => {
    for (const name of ok?.headersToRemove ?? [])
      if (!isProtected(name.toLowerCase())) headers.remove(name.toLowerCase());
    for (const option of ok?.headers ?? []) {
      const field = fieldOf(option);
      if (field === undefined) continue;
      if (option.append === true) headers.append(...field);
      else headers.set(...field);
    }
  },
  editResponse: (headers) => {
    for (const option of ok?.responseHeadersToAdd ?? []) {
      const field = fieldOf(option);
      if (field === undefined) continue;
      if (option.append === false) headers.set(...field);
      else headers.append(...field);
    }
  },
  editQuery: (query) => editQuery(query, ok),
});

const isProtected = (name: string): boolean => name === 'host' || name.startsWith(':');

/** A field that can be sent; what cannot is dropped. */
const fieldOf = ({ header }: HeaderValueOption): [string, string] | undefined => {
  const name = header?.key.toLowerCase() ?? '';
  const raw = header?.rawValue ?? new Uint8Array();
  const value = raw.byteLength > 0 ? new TextDecoder('latin1').decode(raw) : (header?.value ?? '');
  return isHeaderName(name) && !isProtected(name) && isHeaderValue(value) ? [name, value] : undefined;
};

const editQuery = (query: string | undefined, ok: OkHttpResponse | undefined): string | undefined => {
  const set = ok?.queryParametersToSet ?? [];
  const gone = new Set([...(ok?.queryParametersToRemove ?? []), ...set.map(({ key }) => key)]);
  if (gone.size === 0) return query;
  const kept = (query ?? '').split('&').filter((pair) => pair !== '' && !gone.has(pair.split('=')[0] as string));
  const all = [...kept, ...set.map(({ key, value }) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)];
  return all.length === 0 ? undefined : all.join('&');
};
