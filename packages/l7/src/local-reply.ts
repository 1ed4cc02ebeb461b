/**
 * Answers that the proxy makes itself: status, exact body, response flag, details (spec/waypoint.md 6; golden envoy-http).
 * In: a situation. Out: plain data. Called by every filter and by the router; rendered by the waypoint's HTTP codecs.
 */
import { HeaderList } from './header-list.ts';

/** Short reasons as they appear in `%RESPONSE_FLAGS%`. */
export type ResponseFlag =
  | 'UH'
  | 'UF'
  | 'UO'
  | 'NR'
  | 'URX'
  | 'NC'
  | 'DC'
  | 'UT'
  | 'LR'
  | 'UR'
  | 'UC'
  | 'DI'
  | 'FI'
  | 'RL'
  | 'RLSE'
  | 'UAEX'
  | 'SI'
  | 'DPE'
  | 'UPE'
  | 'UMSDR'
  | 'OM'
  | 'DF'
  | 'DO';

/** A response that no backend gave. */
export interface LocalReply {
  readonly status: number;
  /** Text or bytes; empty means no content headers. */
  readonly body: string | Uint8Array;
  /** Further headers, lower-case names, in order. */
  readonly headers: readonly (readonly [string, string])[];
  readonly flag: ResponseFlag | undefined;
  /** `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  /** True when an HTTP/1.1 connection must not be used again. */
  readonly closeConnection: boolean;
}

/** Builds a reply; the optional parts default to none. */
export const localReply = (
  status: number,
  body: string | Uint8Array,
  details: string,
  rest: Partial<Pick<LocalReply, 'headers' | 'flag' | 'closeConnection'>> = {},
): LocalReply => ({
  status,
  body,
  details,
  headers: rest.headers ?? [],
  flag: rest.flag,
  closeConnection: rest.closeConnection ?? false,
});

/** Ways in which a try against a backend ends without a response. */
export type UpstreamFailure =
  | { readonly kind: 'connect'; readonly reason: string } // refused, unreachable, TLS or HBONE failed
  | { readonly kind: 'connect-timeout' }
  | { readonly kind: 'closed' } // closed before response headers
  | { readonly kind: 'reset' } // RST_STREAM or TCP reset
  | { readonly kind: 'refused-stream' }
  | { readonly kind: 'protocol' }
  | { readonly kind: 'overflow' }
  | { readonly kind: 'per-try-timeout' };

const failureWords: Record<
  Exclude<UpstreamFailure['kind'], 'per-try-timeout'>,
  readonly [text: string, flag: ResponseFlag, status: number]
> = {
  connect: ['remote connection failure', 'UF', 503],
  'connect-timeout': ['connection timeout', 'UF', 503],
  closed: ['connection termination', 'UC', 503],
  reset: ['remote reset', 'UR', 503],
  'refused-stream': ['remote refused stream reset', 'UR', 503],
  protocol: ['protocol error', 'UPE', 502],
  overflow: ['overflow', 'UO', 503],
};

/** The reply for a failed last try. `retried` says that at least one retry was made. */
export const upstreamFailureReply = (failure: UpstreamFailure, retried: boolean): LocalReply => {
  if (failure.kind === 'per-try-timeout') {
    return localReply(504, 'upstream request timeout', 'upstream_per_try_timeout', { flag: 'UT' });
  }
  const [text, flag, status] = failureWords[failure.kind];
  const lead = retried ? 'retried and the latest reset reason' : 'reset reason';
  const reason = failure.kind === 'connect' && failure.reason !== '' ? failure.reason : undefined;
  const detail = text.replaceAll(' ', '_') + (reason === undefined ? '' : `|${reason.replaceAll(' ', '_')}`);
  return localReply(
    status,
    `upstream connect error or disconnect/reset before headers. ${lead}: ${text}`,
    `upstream_reset_before_response_started{${detail}}`,
    { flag, headers: failure.kind === 'overflow' ? [['x-envoy-overloaded', 'true']] : [] },
  );
};

/** An answer to bytes that are no proper request; the connection ends with it. */
const protocolError = (status: number, body: string, details: string): LocalReply =>
  localReply(status, body, details, { flag: 'DPE', closeConnection: true });

/** Replies whose words never vary. */
export const replies = {
  routeNotFound: localReply(404, '', 'route_not_found', { flag: 'NR' }),
  noRouteConfiguration: localReply(404, '', 'route_configuration_not_found', { flag: 'NR' }),
  /** Backend unknown; 500 by Gateway API semantics, 503 otherwise. */
  backendNotFound: (gatewaySemantics: boolean): LocalReply =>
    localReply(gatewaySemantics ? 500 : 503, '', 'cluster_not_found', { flag: 'NC' }),
  noBackends: localReply(500, '', 'direct_response'),
  noHealthyUpstream: localReply(503, 'no healthy upstream', 'no_healthy_upstream', { flag: 'UH' }),
  dnsFailure: localReply(503, 'DNS resolution failure', 'dns_resolution_failure', { flag: 'DF' }),
  responseTimeout: localReply(504, 'upstream request timeout', 'response_timeout', { flag: 'UT' }),
  accessDenied: (policy: string): LocalReply =>
    localReply(403, 'RBAC: access denied', `rbac_access_denied_matched_policy[${policy}]`),
  pathNormalizationFailed: localReply(400, '', 'path_normalization_failed', { closeConnection: true }),
  missingHost: localReply(400, '', 'missing_host_header', { closeConnection: true }),
  streamIdle: localReply(408, 'stream timeout', 'stream_idle_timeout', { flag: 'SI', closeConnection: true }),
  /** Nothing moved after the whole request was here. */
  streamIdleAfterRequest: localReply(504, 'stream timeout', 'stream_idle_timeout', { flag: 'SI' }),
  requestTimeout: localReply(408, 'request timeout', 'request_overall_timeout', { closeConnection: true }),
  maxStreamDuration: localReply(504, 'downstream duration timeout', 'max_duration_timeout'),
  /** Where the clean form of a path is. */
  cleanPath: (location: string): LocalReply =>
    localReply(307, '', 'path_normalization_failed', { headers: [['location', location]] }),
  underscoreRefused: protocolError(400, 'Bad Request', 'http1.unexpected_underscore'),
  requestTooLarge: localReply(413, 'Payload Too Large', 'request_payload_too_large', { closeConnection: true }),
  upgradeFailed: localReply(403, '', 'upgrade_failed', { closeConnection: true }),
  absolutePathRejected: localReply(404, '', 'absolute_path_rejected'),
  lowVersion: protocolError(426, 'Upgrade Required', 'low_version'),
  badFraming: protocolError(400, 'Bad Request', 'http1.codec_error'),
  invalidCharacters: protocolError(400, 'Bad Request', 'http1.invalid_characters'),
  invalidAuthority: protocolError(400, 'Bad Request', 'http.invalid_authority'),
  lengthAndChunked: protocolError(400, 'Bad Request', 'http1.content_length_and_chunked_not_allowed'),
  httpsOnPlaintext: protocolError(403, 'Forbidden', 'http1.https_url_on_plaintext_connection'),
  headersTooLarge: protocolError(431, 'Request Header Fields Too Large', 'http1.headers_too_large'),
  tooManyHeaders: protocolError(431, 'Request Header Fields Too Large', 'http1.too_many_headers'),
  http2HeadersTooLarge: localReply(431, '', 'http2.headers_too_large', { flag: 'DPE' }),
  http2TooManyHeaders: localReply(431, '', 'http2.too_many_headers', { flag: 'DPE' }),
  badTransferEncoding: protocolError(501, 'Not Implemented', 'http1.invalid_transfer_encoding'),
  requestHeaderTimeout: localReply(408, 'request header timeout', 'request_header_timeout', { closeConnection: true }),
  faultAbort: (status: number): LocalReply =>
    localReply(status, 'fault filter abort', 'fault_filter_abort', { flag: 'FI' }),
} as const;

/** A reply ready for a codec. `status` differs from the reply's for gRPC (always 200 there). */
export interface RenderedReply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string | Uint8Array;
}

/** True when the content type asks for a gRPC answer (`application/grpc` or `application/grpc+...`). */
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType !== undefined && (contentType === 'application/grpc' || contentType.startsWith('application/grpc+'));

/**
 * Turns a reply into headers and body for one request; a codec adds the length of an empty body.
 * gRPC requests get trailers-only answers
 * (spec/waypoint.md 6.1).
 */
export const renderLocalReply = (reply: LocalReply, requestContentType: string | undefined): RenderedReply => {
  const headers = HeaderList.empty();
  if (isGrpc(requestContentType)) {
    for (const [name, value] of reply.headers) headers.append(name, value);
    headers.append('content-type', 'application/grpc');
    headers.append('grpc-status', String(grpcStatusOf(reply.status)));
    const message = typeof reply.body === 'string' ? reply.body : '';
    if (message !== '') headers.append('grpc-message', percentEncode(message));
    return { status: 200, headers, body: '' };
  }
  for (const [name, value] of reply.headers) headers.append(name, value);
  if (reply.body.length > 0) {
    headers.append('content-length', String(byteLengthOf(reply.body)));
    if (!headers.has('content-type')) headers.append('content-type', 'text/plain');
  }
  return { status: reply.status, headers, body: reply.body };
};

/** gRPC status that stands for an HTTP status of a local reply. */
export const grpcStatusOf = (status: number): number => {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
};

const byteLengthOf = (body: string | Uint8Array): number =>
  typeof body === 'string' ? new TextEncoder().encode(body).byteLength : body.byteLength;

const percentEncode = (text: string): string => {
  let result = '';
  for (const byte of new TextEncoder().encode(text)) {
    const plain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    result += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return result;
};
