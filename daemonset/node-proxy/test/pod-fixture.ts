/**
 * One pod of a node proxy in the test's own process: its tunnel server on a loopback address, its policies, its log lines.
 *
 * Used by bad-input.test.ts. What a data thread does around it is left out; certificates come from a CA made at run time.
 */
import { createServer } from 'node:net';
import { once } from 'node:events';
import { createHbonePool, currentByteEngine } from '@ambit/hbone';
import { createCertificateAuthority, issueLocally, type PeerIdentity, type SignerMaterial } from '@ambit/identity';
import type { WorkloadCertificate } from '@ambit/identity/workload-certificate';
import { type Endpoint, listenIn } from '@ambit/net';
import { createDrain } from '@ambit/runtime/drain';
import { createLogger, silentLogger } from '@ambit/runtime/log';
import { systemClock } from '@ambit/runtime/clock';
import { createStateStore } from '@ambit/state';
import { readConfig } from '../src/config.ts';
import { createConnectionRegistry } from '../src/connections/registry.ts';
import { createReplyCache } from '../src/dns/reply-cache.ts';
import { dataConfigOf } from '../src/data-config.ts';
import { DnsMetrics } from '../src/dns/dns-metrics.ts';
import { createThreadCertificates } from '../src/identity/thread-certificates.ts';
import type { PolicyFacts } from '../src/inbound/authorize.ts';
import { createTunnelServer, type TunnelServer } from '../src/inbound/listener.ts';
import { OnDemandDns } from '../src/telemetry/on-demand-dns.ts';
import { createFlowBuffer } from '@ambit/xds/flow-buffer';
import { TrafficMetrics } from '../src/telemetry/traffic-metrics.ts';
import type { PodContext } from '../src/threads/pod-context.ts';
import { createThreadState } from '../src/threads/thread-state.ts';
import { parseLocalState } from '../src/updates/local-file.ts';

/** The pod under test. */
export interface TestPod extends AsyncDisposable {
  readonly context: PodContext;
  readonly tunnels: TunnelServer;
  /** Address and port of its tunnel server. */
  readonly ip: string;
  readonly port: number;
  /** Lines of the access log and of policy decisions, as JSON objects. */
  readonly records: readonly Readonly<Record<string, unknown>>[];
  /** Listens where the tunnel server does not. */
  serve(port: number, onConnection: (endpoint: Endpoint) => void): Promise<void>;
}

/** Starts the pod `shop/server` at `ip` with an echo application on 8080; `environment` is that of its proxy. */
export async function startTestPod(
  ip: string,
  localState: string,
  material: SignerMaterial,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestPod> {
  const stack = new AsyncDisposableStack();
  const config = readConfig(
    { XDS_ADDRESS: '', AMBIT_ZDS_TRANSPORT: 'stream', UNSTABLE_ENABLE_SOCKS5: 'true', ...environment },
    () => undefined,
  );
  const records: Readonly<Record<string, unknown>>[] = [];
  const log = createLogger({
    level: 'info',
    format: 'json',
    write: (line) => records.push(JSON.parse(line) as Record<string, unknown>),
  });
  const store = createStateStore();
  store.apply(parseLocalState(localState));
  const state = createThreadState({ nodeName: undefined, clock: systemClock });
  state.apply(store.fullDiff());
  const authority = createCertificateAuthority({ material });
  const certificates = createThreadCertificates({
    need: (identity) =>
      void issueLocally(authority, [identity]).then((made: WorkloadCertificate) => certificates.onCertificate(made)),
    crl: () => undefined,
    tls: { allowTls12: false, onlyPostQuantum: false },
  });
  const domain = { kind: 'loopback', address: ip } as const;
  const context: PodContext = {
    config: dataConfigOf(config, 0, currentByteEngine().name),
    state,
    certificates,
    sink: { log: log.child('access'), metrics: new TrafficMetrics(), flows: createFlowBuffer() },
    dnsMetrics: new DnsMetrics(),
    log: silentLogger,
    dnsLog: silentLogger,
    policyLog: log.child('rbac'),
    openSockets: { source: 0, destination: 0 },
    missingPolicy: { denied: 0 },
    onDemand: undefined,
    onDemandDns: new OnDemandDns(),
    revoked: { source: 0, destination: 0 },
    limited: { resets: 0, handshakes: 0 },
    pod: {
      uid: 'u-s#1',
      workload: { name: 'server', namespace: 'shop', serviceAccount: 'server' },
      domain,
      listeners: { dnsTcp: [], dnsUdp: [] },
      preserveSource: false,
    },
    registry: createConnectionRegistry<PolicyFacts>(),
    pool: createHbonePool<PeerIdentity>({ log: silentLogger, dial: async () => Promise.reject(new Error('not used')) }),
    dnsCache: createReplyCache(),
    drain: createDrain(),
  };
  const tunnels = createTunnelServer(context);
  stack.defer(() => tunnels.destroy(new Error('the test ended')));
  const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await once(echo.listen(8080, ip), 'listening');
  stack.defer(() => void echo.close());
  const serve = async (port: number, onConnection: (endpoint: Endpoint) => void): Promise<number> => {
    const listener = await listenIn(domain, { port }, { onConnection });
    stack.defer(() => listener.close());
    return listener.address.port;
  };
  const port = await serve(0, (endpoint) => tunnels.accept(endpoint));
  return {
    context,
    tunnels,
    ip,
    port,
    records,
    serve: async (at, onConnection) => void (await serve(at, onConnection)),
    [Symbol.asyncDispose]: async () => stack.disposeAsync(),
  };
}
