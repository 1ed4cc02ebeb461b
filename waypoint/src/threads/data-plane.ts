/**
 * The data plane of one thread: everything between an accepted socket and an answered request.
 * In: messages of the main thread. Out: served tunnels, and messages back. Built by threads/data-thread.ts in a worker,
 * and directly by tests. Owns its listener, pools and servers.
 */
import { createTrustStore, type PeerIdentity, type WorkloadCertificate } from '@ambit/identity';
import { createTlsContext, type Endpoint, type Listener, listenIn } from '@ambit/net';
import type { HboneServer } from '@ambit/hbone';
import type { Backend } from '@ambit/proto/waypoint';
import { background } from '@ambit/runtime/background';
import type { RootLogger } from '@ambit/runtime/log';
import { createMetricsRegistry } from '@ambit/runtime/metrics';
import { createTokenBuckets, noPeer, peerFactsOf } from '@ambit/l7';
import { createFlowBuffer } from '@ambit/xds/flow-buffer';
import { addressKey, createStateStore, findWorkload, formatIpPort, type StateDiff, type Workload } from '@ambit/state';
import { createConnectionRegistry } from '../connections/registry.ts';
import { serveTcp } from '../connections/tcp.ts';
import { WaypointError } from '../errors.ts';
import { createPipeline } from '../filters/order.ts';
import { createTunnelServer } from '../hbone-in/listener.ts';
import type { Tunnel } from '../hbone-in/tunnel.ts';
import { createHttp1Client } from '../http/h1/client.ts';
import { createHttp1Server, type Http1Settings } from '../http/h1/server.ts';
import { createHttp2Client } from '../http/h2/client.ts';
import { createHttp2Server } from '../http/h2/server.ts';
import { sniff, type Sniffed } from '../http/sniff.ts';
import { flowOfRequest } from '../telemetry/flow.ts';
import { explainRequest } from '../telemetry/explain-request.ts';
import { defaultAccessLog, type LogOutput, otlpLogOf } from '../telemetry/log-output.ts';
import { createWaypointMetrics, type Ends, serviceOfBackend } from '../telemetry/metrics.ts';
import { createOtlpLogs } from '../telemetry/otlp-logs.ts';
import { baggageOf } from '../telemetry/own-baggage.ts';
import { sourceLabels } from '../telemetry/peer-labels.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';
import { createSpanExporter } from '../tracing/exporter.ts';
import { spanOf } from '../tracing/span.ts';
import { compileConfig } from '../updates/compiled-config.ts';
import { applyConfigDiff, emptyConfig } from '../updates/config-store.ts';
import { createRateLimitAsker } from '../upstream/ask-rate-limit.ts';
import { createServiceAsker } from '../upstream/ask-service.ts';
import { createBreakers } from '../upstream/breakers.ts';
import { createBackendCaller } from '../upstream/call-backend.ts';
import { createRouter } from '../upstream/forward.ts';
import { goneAddresses, leadsTo } from '../upstream/gone.ts';
import { createMirrors } from '../upstream/mirror.ts';
import { createNames, type ResolveName } from '../upstream/names.ts';
import { createPicker, type UpstreamEndpoint } from '../upstream/pick.ts';
import { createSessionKeys } from '../upstream/session-key.ts';
import { createTlsPlanner } from '../upstream/tls-origination.ts';
import { createTransport, type OwnIdentity } from '../upstream/transport.ts';
import { createJwtVerifier } from '../jwt/verifier.ts';
import { createLookups } from './lookups.ts';
import type { DataThreadSettings, FromDataThread, ToDataThread } from './messages.ts';

/** Time between two batches of flows, while somebody watches. */
const flowsEveryMs = 250;

/** What a data plane needs from its surroundings. */
export interface DataPlaneOptions {
  readonly settings: DataThreadSettings;
  readonly log: RootLogger;
  readonly post: (message: FromDataThread) => void;
  /** Receives finished access log lines. */
  readonly accessLine: (line: string) => void;
  /** Default: the system's name servers. */
  readonly resolveName?: ResolveName;
  /** Numbers in [0, 1); default Math.random. */
  readonly random?: () => number;
}

/** A running data plane. */
export interface DataPlane {
  /** Takes one message; order matters. */
  receive(message: ToDataThread): void;
  /** Opens the listener; resolves with its port. */
  listen(): Promise<number>;
  /**
   * Serves a plain HTTP connection (HTTP/1.1, or HTTP/2 with prior knowledge) that somebody else accepted, as one of the given
   * frontend port. For measurements, and for roles without tunnels.
   */
  serveHttp(endpoint: Endpoint, frontend: string, port: number): void;
  /** Ends everything now. */
  destroy(): void;
}

/** Builds a data plane; it serves after `listen` and the first certificate and configuration. */
export const createDataPlane = (options: DataPlaneOptions): DataPlane => {
  const { settings, log, post } = options;
  const random = options.random ?? Math.random;
  const registry = createMetricsRegistry();
  const metrics = createWaypointMetrics(registry);
  const store = createStateStore();
  const flows = createFlowBuffer();
  let flowTimer: NodeJS.Timeout | undefined;
  const ending = new AbortController();
  const lookups = createLookups((key) => post({ kind: 'lookup', key }));
  const buckets = createTokenBuckets(settings.shared.buckets);
  let config = compileConfig(emptyConfig, buckets);
  const tokens = createJwtVerifier({
    secret: (key) => config.snapshot.secret.get(key),
    want: (uri) => post({ kind: 'jwks-wanted', uri }),
  });
  let own: OwnIdentity | undefined;
  let listener: Listener | undefined;

  const transport = createTransport({
    domain: settings.domain,
    identity: () => own,
    log: log.child('transport'),
    hbonePort: settings.upstreamHbonePort,
  });
  const http1 = createHttp1Client({ keepSpelling: () => config.settings.clients.keepSpelling });
  const http2 = createHttp2Client();
  const resolve = options.resolveName;
  const names = createNames({ log: log.child('dns'), ...(resolve === undefined ? {} : { resolve }) });
  const picker = createPicker({
    names,
    onEjected: (backend, key, forMs) => post({ kind: 'ejected', backend, endpoint: key, forMs }),
  });
  const connections = createConnectionRegistry();
  const tls = createTlsPlanner();
  const breakers = createBreakers(settings.shared.counts);
  const shared = {
    picker,
    transport,
    tls,
    breakers,
    ownIp: settings.ownIp,
    config: () => config,
    snapshot: () => store.snapshot(),
  };

  /** The ends of the last request of a tunnel: most of its requests go from the same place to the same place. */
  const lastEnds = new WeakMap<Tunnel, LastEnds>();
  const endsOf = (tunnel: Tunnel, backend: Backend | undefined, endpoint: UpstreamEndpoint | undefined): Ends => {
    const { network } = config.settings;
    const source = findWorkload(store.snapshot(), network, tunnel.sourceIp);
    const last = lastEnds.get(tunnel);
    const workload = endpoint?.workload;
    if (source === undefined && tunnel.sourceIp !== '') lookups.hint(addressKey(network, tunnel.sourceIp));
    if (last !== undefined && last.source === source && last.backend === backend && last.workload === workload)
      return last.ends;
    const ends = makeEnds(tunnel, backend, workload, source);
    lastEnds.set(tunnel, { source, backend, workload, ends });
    return ends;
  };
  const makeEnds = (
    tunnel: Tunnel,
    backend: Backend | undefined,
    destination: Workload | undefined,
    source: Workload | undefined,
  ): Ends => {
    const { hostname, namespace } = tunnel.frontend;
    const own = hostname === '' ? undefined : { hostname, name: hostname.split('.')[0] as string, namespace };
    return {
      source: sourceLabels(source, tunnel.headers['baggage'], tunnel.peer),
      peer: tunnel.peer,
      destination,
      service: serviceOfBackend(backend) ?? own,
    };
  };

  const { accessLog } = settings;
  const fixedOutputs: readonly LogOutput[] =
    accessLog === 'TEXT' || accessLog === 'JSON' ? [{ kind: 'line', format: defaultAccessLog(accessLog) }] : [];
  const write = (output: LogOutput, record: RequestRecord): void => {
    if (output.kind === 'line') options.accessLine(output.format(record));
    else otlpLogs.add(otlpLogOf(output, record), output.provider);
  };
  const explainLog = log.child('request');
  const onRecord = (record: RequestRecord): void => {
    const { tunnel } = record.start;
    const current = config.frontendPort(tunnel.frontend.key, tunnel.frontend.port);
    const frontend = typeof current === 'string' ? tunnel.frontend : current;
    const { logs, metrics: edits } = frontend.telemetry();
    const ends = endsOf(tunnel, record.backend, record.endpoint);
    metrics.request(record, ends, edits);
    if (flows.isWanted) flows.add(() => flowOfRequest(record, ends));
    if (accessLog === 'mesh' && logs !== undefined) {
      for (const log of logs) if (log.wants(record)) write(log.output, record);
    } else for (const output of accessLog === 'mesh' ? config.settings.accessLogs : fixedOutputs) write(output, record);
    explainRequest(record, explainLog);
    const { trace } = record;
    const tracing = frontend.tracing();
    if (trace?.isSampled === true && tracing !== undefined) spans.add(spanOf(record, trace, tracing), tracing.provider);
  };

  let baggage: { readonly workload: Workload; readonly text: string } | undefined;
  const ownBaggage = (): string | undefined => {
    if (!config.settings.sendBaggage) return undefined;
    const workload = findWorkload(store.snapshot(), config.settings.network, settings.ownIp);
    if (workload === undefined) return undefined;
    if (baggage?.workload !== workload) baggage = { workload, text: baggageOf(workload) };
    return baggage.text;
  };
  const callBackend = createBackendCaller({ picker, transport, tls, http1, http2, ownIp: settings.ownIp });
  const collector = {
    call: callBackend,
    config: () => config,
    snapshot: () => store.snapshot(),
    serviceName: () => serviceNameOf(own?.uri),
    random,
  };
  const spans = createSpanExporter({ ...collector, onDropped: metrics.spansDropped, log: log.child('tracing') });
  const otlpLogs = createOtlpLogs({ ...collector, onDropped: metrics.logsDropped, log: log.child('access') });
  const pipeline = createPipeline({
    config: () => config,
    snapshot: () => store.snapshot(),
    localPrincipal: () => own?.uri ?? '',
    onRecord,
    forward: createRouter({
      ...shared,
      http1,
      http2,
      mirror: createMirrors(callBackend, settings.ownIp, log.child('mirror')),
      baggage: ownBaggage,
      sessionKey: createSessionKeys(settings.sessionKey),
    }),
    askService: createServiceAsker(callBackend, log.child('ext_authz')),
    askRateLimit: createRateLimitAsker(callBackend, log.child('rate_limit')),
    verifyToken: (check) => tokens.verify(check),
    random,
    log: log.child('http'),
  });
  const clients = (): Http1Settings => {
    const { clients } = config.settings;
    return settings.idleMs === undefined ? clients : { ...clients, idleMs: settings.idleMs };
  };
  const h1 = createHttp1Server<Tunnel>(clients, {
    onExchange: (exchange, tunnel) => pipeline.handle(exchange, tunnel),
    onRefused: (reply, tunnel) => pipeline.refused(reply, tunnel, 'HTTP/1.1'),
    onTimeout: (what) => metrics.timedOut('http', what),
  });
  const h2 = createHttp2Server<Tunnel>(clients, {
    onExchange: (exchange, tunnel) => pipeline.handle(exchange, tunnel),
    onRefused: (reply, tunnel) => pipeline.refused(reply, tunnel, 'HTTP/2'),
    onTimeout: (what) => metrics.timedOut('http2', what),
  });

  const onHttp = (endpoint: Endpoint, sniffed: Sniffed, tunnel: Tunnel): void => {
    if (sniffed.protocol === 'http2') h2.accept(endpoint, sniffed.head, tunnel);
    else h1.accept(endpoint, sniffed.head, tunnel);
  };
  const tcpOptions = {
    ...shared,
    random,
    signal: ending.signal,
    idleMs: settings.idleMs,
    registry: connections,
    opened: (tunnel: Tunnel, backend: Backend | undefined, endpoint: UpstreamEndpoint | undefined) =>
      metrics.tcpOpened(endsOf(tunnel, backend, endpoint)),
    log: log.child('access'),
  };
  const server: HboneServer<PeerIdentity> = createTunnelServer({
    identity: () => own,
    config: () => config,
    snapshot: () => store.snapshot(),
    lookup: (key) => lookups.ask(key),
    onHttp,
    onTcp: (endpoint, head, tunnel) => background(log, 'raw connection', serveTcp(endpoint, head, tunnel, tcpOptions)),
    onRefused: (status, reason, request) => {
      log
        .child('access')
        .warn('tunnel refused', { status, reason, authority: request.authority, source: request.peer.uri });
    },
    log: log.child('hbone'),
  });

  const drain = (): void => {
    listener?.close();
    h1.drain();
    h2.drain();
    server.close();
    background(
      log,
      'drain',
      server.closed.then(() => post({ kind: 'drained' })),
    );
  };
  /** Sends flows as long as somebody wants some. */
  const limitFlows = (maxPerSecond: number): void => {
    flows.setLimit(maxPerSecond);
    clearInterval(flowTimer);
    if (maxPerSecond === 0) return;
    flowTimer = setInterval(() => {
      const batch = flows.take();
      if (batch !== undefined) post({ kind: 'flows', batch });
    }, flowsEveryMs).unref();
  };
  const destroy = (): void => {
    limitFlows(0);
    const reason = new WaypointError('ERR_WAYPOINT_DRAIN', 'waypoint stopped');
    ending.abort(reason);
    listener?.close();
    server.destroy(reason);
    h1.destroy();
    h2.destroy();
    http1.close();
    http2.close();
    transport.destroy();
    lookups.close();
    names.close();
    spans.close();
    otlpLogs.close();
    tokens.close();
    registry.close();
  };

  /** Connections to endpoints that are gone are drained: no new request, those in work may end. */
  const applyState = (diff: StateDiff): void => {
    const before = store.snapshot();
    store.applyDiff(diff);
    const gone = goneAddresses(before, store.snapshot(), diff);
    if (gone.size === 0) return;
    const { drainMs } = config.settings;
    const reason = new WaypointError('ERR_WAYPOINT_DRAIN', `the endpoint has been gone for ${drainMs} ms`);
    http1.retire(leadsTo(gone), drainMs, reason);
    http2.retire(leadsTo(gone), drainMs, reason);
    transport.retire(gone);
  };

  const receive = (message: ToDataThread): void => {
    switch (message.kind) {
      case 'config':
        config = compileConfig(applyConfigDiff(config.snapshot, message.diff), buckets);
        connections.recheck(config);
        return;
      case 'state':
        applyState(message.diff);
        return;
      case 'certificate':
        own = identityFrom(message.certificate);
        return;
      case 'looked-up':
        lookups.answered(message.key);
        return;
      case 'jwks':
        tokens.received(message.uri, message.json);
        return;
      case 'ejected':
        picker.eject(message.backend, message.endpoint, message.forMs);
        return;
      case 'log-level':
        log.setLevel(message.scope, message.level);
        return;
      case 'flow-limit':
        limitFlows(message.maxPerSecond);
        return;
      case 'scrape':
        background(
          log,
          'scrape',
          registry.text().then((text) => post({ kind: 'metrics', id: message.id, text })),
        );
        return;
      case 'ping':
        post({ kind: 'pong', id: message.id });
        return;
      case 'drain':
        drain();
        return;
      case 'destroy':
        destroy();
        return;
      default:
        message satisfies never;
    }
  };

  const serveHttp = (endpoint: Endpoint, key: string, port: number): void => {
    const frontend = config.frontendPort(key, port);
    if (typeof frontend === 'string') {
      endpoint.destroy(new WaypointError('ERR_WAYPOINT_UPSTREAM', `${key}:${port} is not served here`));
      return;
    }
    const remote = endpoint.remote;
    const tunnel: Tunnel = {
      peer: noPeer,
      sourceIp: remote?.ip ?? '',
      clientAddress: remote === undefined ? '-' : formatIpPort(remote.ip, remote.port),
      authority: `${frontend.hostname}:${port}`,
      destinationIp: undefined,
      frontend,
      headers: {},
    };
    const sniffed = sniff(endpoint, { httpOnly: true, timeoutMs: undefined }).then((found) => {
      if (found === undefined) endpoint.close();
      else onHttp(endpoint, found, tunnel);
    });
    background(log, 'plain connection', sniffed);
  };

  return {
    receive,
    destroy,
    serveHttp,
    listen: async () => {
      const { domain, hbonePort, reusePort } = settings;
      const onConnection = (endpoint: Endpoint): void => server.accept(endpoint);
      listener = await listenIn(domain, { port: hbonePort, reusePort }, { onConnection, log, backlog: 1024 });
      post({ kind: 'listening', ip: listener.address.ip, port: listener.address.port });
      return listener.address.port;
    },
  };
};

interface LastEnds {
  readonly source: Workload | undefined;
  readonly backend: Backend | undefined;
  readonly workload: Workload | undefined;
  readonly ends: Ends;
}

/** `<account>.<namespace>` of the own identity, as upstream names the service of a proxy. */
const serviceNameOf = (uri: string | undefined): string => {
  const { serviceAccount, namespace } = peerFactsOf(uri);
  return serviceAccount === undefined || namespace === undefined ? 'waypoint' : `${serviceAccount}.${namespace}`;
};

const identityFrom = (certificate: WorkloadCertificate): OwnIdentity => ({
  uri: certificate.identity,
  tls: createTlsContext({
    certChainPem: certificate.certChainPem,
    privateKeyPem: certificate.privateKeyPem,
    rootsPem: certificate.rootsPem,
  }),
  trust: createTrustStore({ rootsPem: certificate.rootsPem }),
});
