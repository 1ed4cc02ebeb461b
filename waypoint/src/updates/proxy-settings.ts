/**
 * ProxyConfig -> settings that hold for the whole proxy, with defaults filled in. Pure; called by compiled-config.ts.
 */
import { type PathNormalization, timerMs } from '@ambit/l7';
import { HttpDefaults_Normalize, type ProxyConfig } from '@ambit/proto/waypoint';
import type { Http1Settings } from '../http/h1/server.ts';
import { type LogOutput, outputOf } from '../telemetry/log-output.ts';
import type { Tracing } from '../tracing/start.ts';
import { noTags } from '../tracing/tags.ts';

/** Settings that hold for the whole proxy, with defaults filled in. */
export interface ProxySettings {
  readonly network: string;
  readonly clusterId: string;
  readonly trustDomain: string;
  readonly trustDomains: readonly string[];
  readonly skipTrustDomainValidation: boolean;
  readonly normalize: PathNormalization;
  readonly acceptHttp10: boolean;
  /** Value of the `server` header. */
  readonly serverName: string;
  readonly keepServerHeader: boolean;
  readonly attemptCountInResponse: boolean;
  readonly requestIdInResponse: boolean;
  /** Pseudonym for `via`; empty = no such field. */
  readonly via: string;
  /** The client's address is the peer's: forwarding headers are extended, not believed (gateways). */
  readonly useRemoteAddress: boolean;
  /** Entries of `x-forwarded-for` that proxies in front of us wrote. */
  readonly trustedProxies: number;
  readonly keepForwardedFor: boolean;
  readonly trustRequestId: boolean;
  readonly omitRequestId: boolean;
  readonly underscores: 'allow' | 'reject' | 'drop';
  readonly http10Host: string;
  readonly stripHostPort: boolean;
  readonly stripHostDot: boolean;
  /** `Expect: 100-continue` is the backend's business. */
  readonly relaysContinue: boolean;
  readonly streamIdleMs: number | undefined;
  readonly requestMs: number | undefined;
  readonly maxStreamMs: number | undefined;
  readonly clients: Http1Settings;
  readonly includeClientIdentity: boolean;
  readonly sendBaggage: boolean;
  readonly connectTimeoutMs: number;
  /** How long requests of endpoints that are gone may go on. */
  readonly drainMs: number;
  /** Form of access lines on standard output; undefined when the mesh wants none. */
  readonly accessLogs: readonly LogOutput[];
  /** How requests are traced; undefined when the mesh has no tracing provider. */
  readonly tracing: Tracing | undefined;
  readonly source: ProxyConfig | undefined;
}

/** Upstream's `drainDuration` (spec/waypoint.md 0.1). */
const defaultDrainMs = 45_000;
const defaultConnectTimeoutMs = 10_000;

const normalizations: Readonly<Record<number, PathNormalization>> = {
  [HttpDefaults_Normalize.BASE]: 'base',
  [HttpDefaults_Normalize.NONE]: 'none',
  [HttpDefaults_Normalize.MERGE_SLASHES]: 'merge-slashes',
  [HttpDefaults_Normalize.DECODE_AND_MERGE]: 'decode-and-merge-slashes',
  [HttpDefaults_Normalize.DECODE_AND_REDIRECT]: 'decode-and-redirect',
  [HttpDefaults_Normalize.REJECT_ESCAPED]: 'reject-escaped-slashes',
};

/** Bytes and fields of a request head (spec/waypoint.md 4.6.2). */
const defaultHeadBytes = 60 * 1024;
const defaultFields = 100;
/** Silence between two requests of a connection. */
const defaultIdleMs = 3_600_000;
/** First byte of a head to its last (spec/waypoint.md 4.6.4). */
const defaultHeadersMs = 60_000;

const underscoreRules: Readonly<Record<number, ProxySettings['underscores']>> = { 0: 'allow', 1: 'reject', 2: 'drop' };

/** Fills in the defaults; an absent message is all defaults. */
export const settingsOf = (proxy: ProxyConfig | undefined): ProxySettings => {
  const trustDomain = proxy?.trustDomain ?? '';
  const http = proxy?.http;
  const serverName = http?.serverName || 'istio-envoy';
  return {
    network: proxy?.network ?? '',
    clusterId: proxy?.clusterId ?? '',
    trustDomain,
    trustDomains: [trustDomain, ...(proxy?.trustDomainAliases ?? [])].filter((domain) => domain !== ''),
    skipTrustDomainValidation: proxy?.skipTdValidation ?? false,
    normalize: normalizations[proxy?.http?.normalize ?? 0] ?? 'base',
    acceptHttp10: proxy?.http?.acceptHttp10 ?? false,
    serverName,
    keepServerHeader: http?.keepServerHeader ?? false,
    attemptCountInResponse: http?.attemptCountInResponse ?? false,
    requestIdInResponse: http?.requestIdInResponse ?? false,
    via: http?.via ?? '',
    useRemoteAddress: http?.useRemoteAddress ?? false,
    trustedProxies: proxy?.trustedProxies ?? 0,
    keepForwardedFor: http?.keepForwardedFor ?? false,
    trustRequestId: http?.trustRequestId ?? false,
    omitRequestId: http?.omitRequestId ?? false,
    underscores: underscoreRules[http?.underscores ?? 0] ?? 'reject',
    http10Host: http?.http10Host ?? '',
    stripHostPort: http?.stripHostPort ?? false,
    stripHostDot: http?.stripHostDot ?? false,
    relaysContinue: http === undefined || http.proxy100Continue,
    streamIdleMs: timerMs(http?.streamIdle),
    requestMs: timerMs(http?.request),
    maxStreamMs: timerMs(http?.maxStream),
    clients: {
      maxHeadBytes: http?.maxHeaderBytes || defaultHeadBytes,
      maxFields: http?.maxHeaders || defaultFields,
      idleMs: timerMs(http?.idle) ?? defaultIdleMs,
      headersMs: timerMs(http?.requestHeaders) ?? defaultHeadersMs,
      keepSpelling: http?.preserveH1Case ?? false,
      serverName,
    },
    includeClientIdentity: proxy?.xfccIncludeClientIdentity ?? false,
    sendBaggage: proxy?.sendBaggage ?? false,
    drainMs: timerMs(proxy?.drain) ?? defaultDrainMs,
    connectTimeoutMs: timerMs(proxy?.connectTimeout) ?? defaultConnectTimeoutMs,
    accessLogs: accessLogsOf(proxy),
    tracing: tracingOf(proxy),
    source: proxy,
  };
};

const defaultTracing = { isReported: true, isPropagated: true, tags: noTags, hasIstioTags: true };

/** The first tracing provider of the mesh. */
const tracingOf = (proxy: ProxyConfig | undefined): Tracing | undefined => {
  for (const { body } of proxy?.providers ?? []) {
    if (body.case !== 'tracing' || body.value.backend === '' || body.value.notDefault) continue;
    const samplingPercent = body.value.samplingPercent;
    return { ...defaultTracing, provider: body.value, samplingPercent };
  }
  return undefined;
};

/** Outputs of the mesh's own access log. */
const accessLogsOf = (proxy: ProxyConfig | undefined): readonly LogOutput[] =>
  (proxy?.providers ?? []).flatMap(({ body }) => {
    const output = body.case === 'accessLog' && !body.value.notDefault ? outputOf(body.value) : undefined;
    return output === undefined ? [] : [output];
  });
