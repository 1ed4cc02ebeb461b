/**
 * The waypoint's `istio_*` series (spec/waypoint.md 7.1). In: completed records. Out: counts in a registry.
 * One per data thread; the main thread adds the threads up when somebody scrapes.
 */
import type { BoundCounter, BoundHistogram, MetricsRegistry } from '@ambit/runtime/metrics';
import type { PeerFacts } from '@ambit/l7';
import type { Backend } from '@ambit/proto/waypoint';
import { identityOf, type Workload } from '@ambit/state';
import { labelsOfWorkload, type PeerLabels, unknownPeer } from './peer-labels.ts';
import type { Timeout } from '../http/client-limits.ts';
import type { MetricEdits } from '../updates/telemetry-at.ts';
import type { RequestRecord } from './request-record.ts';
import { createSeriesCache } from './series-cache.ts';

const peerLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
] as const;
const requestLabelNames = [
  ...peerLabelNames,
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
] as const;
const tcpLabelNames = [...peerLabelNames, 'request_protocol', 'response_flags', 'connection_security_policy'] as const;

/** Bounds of all histograms, milliseconds or bytes. */
const buckets = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Both ends of a request or connection. */
export interface Ends {
  readonly source: PeerLabels;
  readonly peer: PeerFacts;
  readonly destination: Workload | undefined;
  /** Service of the chosen backend, else of the frontend. */
  readonly service: { readonly hostname: string; readonly name: string; readonly namespace: string } | undefined;
}

/** Open raw connection. */
export interface TcpCounters {
  /** Bytes from the client and to the client since the last call. */
  add(received: number, sent: number): void;
  closed(flags: string): void;
}

/** The series. */
export interface WaypointMetrics {
  /** Counts a request; `edits` are those of Telemetry objects. */
  request(record: RequestRecord, ends: Ends, edits?: MetricEdits): void;
  tcpOpened(ends: Ends): TcpCounters;
  /** Spans that no collector got. */
  readonly spansDropped: (count: number) => void;
  /** Log records that no collector got. */
  readonly logsDropped: (count: number) => void;
  /** A connection of a client was closed for being slow. */
  timedOut(protocol: 'http' | 'http2', what: Timeout): void;
}

/** Declares the series in a registry. */
export const createWaypointMetrics = (registry: MetricsRegistry): WaypointMetrics => {
  const labels = requestLabelNames;
  const requests = registry.counter({ name: 'istio_requests_total', help: 'Requests that ended.', labels });
  const duration = registry.histogram({
    name: 'istio_request_duration_milliseconds',
    help: 'Time from the start of a request to the last byte of its response.',
    labels,
    buckets,
  });
  const requestBytes = registry.histogram({
    name: 'istio_request_bytes',
    help: 'Bytes of requests, headers included.',
    labels,
    buckets,
  });
  const responseBytes = registry.histogram({
    name: 'istio_response_bytes',
    help: 'Bytes of responses, headers included.',
    labels,
    buckets,
  });
  const messages = (name: string, help: string) => registry.counter({ name, help, labels });
  const requestMessages = messages('istio_request_messages_total', 'gRPC messages that clients sent.');
  const responseMessages = messages('istio_response_messages_total', 'gRPC messages that clients were sent.');
  const tcp = (name: string, help: string) => registry.counter({ name, help, labels: tcpLabelNames });
  const opened = tcp('istio_tcp_connections_opened_total', 'Raw connections that were opened.');
  const closed = tcp('istio_tcp_connections_closed_total', 'Raw connections that ended.');
  const sent = tcp('istio_tcp_sent_bytes_total', 'Bytes sent to clients over raw connections.');
  const received = tcp('istio_tcp_received_bytes_total', 'Bytes received from clients over raw connections.');
  const dropped = registry.counter({
    name: 'ambit_waypoint_telemetry_dropped_total',
    help: 'Spans and access log records that no collector took in time.',
    labels: ['kind'],
  });
  const droppedSpans = dropped.bind({ kind: 'span' });
  const droppedLogs = dropped.bind({ kind: 'access_log' });
  const timedOut = registry.counter({
    name: 'ambit_waypoint_client_timeouts_total',
    help: 'Connections of clients that were closed: nothing was asked on them for the idle time, or a head did not come to its end.',
    labels: ['protocol', 'reason'],
  });
  const requestSeries = createSeriesCache(
    (values: RequestValues) => ({
      requests: requests.bind(values),
      duration: duration.bind(values),
      requestBytes: requestBytes.bind(values),
      responseBytes: responseBytes.bind(values),
      requestMessages: requestMessages.bind(values),
      responseMessages: responseMessages.bind(values),
    }),
    withoutPeers,
  );
  const tcpSeries = createSeriesCache(
    (values: TcpValues) => ({
      opened: opened.bind(values),
      closed: closed.bind(values),
      sent: sent.bind(values),
      received: received.bind(values),
    }),
    withoutPeers,
  );
  /** Series of the two ends by what differs between their requests: the labels are put together once. */
  const known = new WeakMap<Ends, Map<string, RequestSeries>>();
  const seriesAt = (record: RequestRecord, ends: Ends): RequestSeries => {
    let ofEnds = known.get(ends);
    if (ofEnds === undefined) known.set(ends, (ofEnds = new Map()));
    const { start, status, flags, grpcStatus } = record;
    const key = `${status} ${flags.size === 0 ? '' : flagsText(flags)} ${start.isGrpc ? (grpcStatus ?? '') : '-'}`;
    const held = ofEnds.get(key);
    if (held !== undefined) return held;
    const series = requestSeries.get(requestValues(record, ends));
    if (ofEnds.size < maxKinds) ofEnds.set(key, series);
    return series;
  };
  return {
    spansDropped: (count) => droppedSpans.add(count),
    logsDropped: (count) => droppedLogs.add(count),
    timedOut: (protocol, reason) => timedOut.add({ protocol, reason }),
    request: (record, ends, edits) => {
      if (edits === undefined) {
        observe(record, seriesAt(record, ends));
        return;
      }
      const values = requestValues(record, ends);
      const seriesOf = (metric: string) => {
        const labels = edits.labels(metric, values, record);
        return labels === undefined ? undefined : requestSeries.get(labels);
      };
      seriesOf('REQUEST_COUNT')?.requests.add();
      seriesOf('REQUEST_DURATION')?.duration.observe(record.durationMs);
      seriesOf('REQUEST_SIZE')?.requestBytes.observe(sentBytes(record));
      seriesOf('RESPONSE_SIZE')?.responseBytes.observe(answeredBytes(record));
      if (record.grpc === undefined) return;
      seriesOf('GRPC_REQUEST_MESSAGES')?.requestMessages.add(record.grpc.request.count);
      seriesOf('GRPC_RESPONSE_MESSAGES')?.responseMessages.add(record.grpc.response.count);
    },
    tcpOpened: (ends) => {
      const common = { ...peerValues(ends), request_protocol: 'tcp', connection_security_policy: securityOf(ends) };
      const open = tcpSeries.get({ ...common, response_flags: '-' });
      open.opened.add();
      return {
        add: (fromClient, toClient) => {
          if (fromClient > 0) open.received.add(fromClient);
          if (toClient > 0) open.sent.add(toClient);
        },
        closed: (flags) => tcpSeries.get({ ...common, response_flags: flags }).closed.add(),
      };
    },
  };
};

interface RequestSeries {
  readonly requests: BoundCounter;
  readonly duration: BoundHistogram;
  readonly requestBytes: BoundHistogram;
  readonly responseBytes: BoundHistogram;
  readonly requestMessages: BoundCounter;
  readonly responseMessages: BoundCounter;
}

/** Kinds of outcome that are remembered for two ends. */
const maxKinds = 64;

const observe = (record: RequestRecord, series: RequestSeries): void => {
  series.requests.add();
  series.duration.observe(record.durationMs);
  series.requestBytes.observe(sentBytes(record));
  series.responseBytes.observe(answeredBytes(record));
  if (record.grpc === undefined) return;
  series.requestMessages.add(record.grpc.request.count);
  series.responseMessages.add(record.grpc.response.count);
};

const sentBytes = ({ start, requestBodyBytes }: RequestRecord): number => start.requestHeaderBytes + requestBodyBytes;
const answeredBytes = ({ responseHeaderBytes, responseBodyBytes }: RequestRecord): number =>
  responseHeaderBytes + responseBodyBytes;

const requestValues = (record: RequestRecord, ends: Ends): RequestValues => ({
  ...peerValues(ends),
  request_protocol: record.start.isGrpc ? 'grpc' : 'http',
  response_code: String(record.status),
  grpc_response_status: record.start.isGrpc ? (record.grpcStatus ?? '') : '',
  response_flags: flagsText(record.flags),
  connection_security_policy: securityOf(ends),
});

type RequestValues = Record<(typeof requestLabelNames)[number], string>;
type TcpValues = Record<(typeof tcpLabelNames)[number], string>;

const securityOf = (ends: Ends): string => (ends.peer.principal === undefined ? 'none' : 'mutual_tls');

/** The overflow series: what is said about both peers becomes `other`. */
const withoutPeers = <Values extends object>(values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      name.startsWith('source_') || name.startsWith('destination_') ? 'other' : value,
    ]),
  ) as Values;

/** Flags as metrics and logs print them. */
export const flagsText = (flags: ReadonlySet<string>): string => (flags.size === 0 ? '-' : [...flags].join(','));

const peerValues = ({ source, peer, destination, service }: Ends) => {
  const to = destination === undefined ? unknownPeer : labelsOfWorkload(destination);
  return {
    reporter: 'waypoint',
    source_workload: source.workload,
    source_canonical_service: source.canonicalService,
    source_canonical_revision: source.canonicalRevision,
    source_workload_namespace: source.namespace,
    source_principal: peer.principal ?? 'unknown',
    source_app: source.app,
    source_version: source.version,
    source_cluster: source.cluster,
    destination_workload: to.workload,
    destination_workload_namespace: to.namespace,
    destination_principal: destination === undefined ? 'unknown' : identityOf(destination),
    destination_app: to.app,
    destination_version: to.version,
    destination_service: service?.hostname || 'unknown',
    destination_canonical_service: to.canonicalService,
    destination_canonical_revision: to.canonicalRevision,
    destination_service_name: service?.name || 'unknown',
    destination_service_namespace: service?.namespace || 'unknown',
    destination_cluster: to.cluster,
  };
};

/** Service labels of a backend; undefined when it says nothing. */
export const serviceOfBackend = (backend: Backend | undefined): Ends['service'] =>
  backend === undefined || backend.hostname === ''
    ? undefined
    : {
        hostname: backend.hostname,
        name: backend.serviceName || (backend.hostname.split('.')[0] as string),
        namespace: backend.serviceNamespace,
      };
