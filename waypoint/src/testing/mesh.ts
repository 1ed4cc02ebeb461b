/**
 * A small mesh in one process for tests: an authority, tunnel servers that play workloads, tunnel clients that play node
 * proxies, and a data plane between them, all on loopback addresses with ports chosen by the kernel.
 */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  request as httpRequest,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { createHbonePool, createHboneServer, type HbonePool, type HboneServer, type TunnelRequest } from '@ambit/hbone';
import { createPeerVerifier, createTrustStore, type PeerIdentity } from '@ambit/identity';
import { testCa, type TestCa } from '@ambit/identity/testing';
import {
  connect,
  createTlsContext,
  type Endpoint,
  type Listener,
  listenIn,
  secureClient,
  type TlsContext,
} from '@ambit/net';
import {
  BackendSchema,
  FrontendSchema,
  ListenerSchema,
  Listener_Protocol,
  PolicySchema,
  ProxyConfigSchema,
  RouteTableSchema,
  SecretSchema,
} from '@ambit/proto/waypoint';
import { createLogger, type RootLogger } from '@ambit/runtime/log';
import { createStateStore, type Service, type StateStore, type Workload } from '@ambit/state';
import { tunnelSocket } from '../http/tunnel-socket.ts';
import { createDataPlane, type DataPlane } from '../threads/data-plane.ts';
import type { FromDataThread } from '../threads/messages.ts';
import { createSharedMemory } from '../threads/shared-memory.ts';
import type { ConfigDiff } from '../updates/config-store.ts';
import type { ResolveName } from '../upstream/names.ts';

/** A request handler of a workload. */
export type AppHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** What an HTTP client saw. */
export interface SeenResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: string;
  readonly trailers: IncomingMessage['trailers'];
}

/** The address of the service in the test mesh. */
export const VIP = '10.96.0.50';
/** Its host name. */
export const HOSTNAME = 'reviews.apps.svc.cluster.local';

/** A running test mesh. */
export interface TestMesh {
  readonly ca: TestCa;
  readonly plane: DataPlane;
  readonly store: StateStore;
  readonly accessLines: string[];
  readonly messages: FromDataThread[];
  readonly upstreamAuthorities: string[];
  readonly waypointPort: number;
  /** Numbers for the next decisions; after that truly random ones. */
  readonly randoms: number[];
  nextRandom(): number;
  /** Sends configuration messages. */
  configure(config: TestConfig): void;
  /** Starts a workload at 127.0.0.<n> that serves HTTP/1.1 in tunnels. */
  addWorkload(n: number, options?: WorkloadOptions): Workload;
  /** Publishes services and workloads, and what is gone. */
  publish(update: Published): void;
  /** Opens a tunnel as a client. */
  tunnel(authority?: string, serviceAccount?: string, headers?: Record<string, string>): Promise<Endpoint>;
  /** One HTTP/1.1 request over a tunnel of its own. */
  get(path: string, options?: RequestOptions): Promise<SeenResponse>;
  metrics(): Promise<string>;
  close(): void;
}

/** A change of services and workloads; `removed` are uids. */
export interface Published {
  readonly services?: readonly Service[];
  readonly workloads?: readonly Workload[];
  readonly removed?: readonly string[];
}

/** Options of a request. */
export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly authority?: string;
  readonly serviceAccount?: string;
}

/** How a workload behaves. */
export interface WorkloadOptions {
  readonly handler?: AppHandler;
  /** Takes the raw tunnel instead of HTTP/1.1. */
  readonly raw?: (socket: Duplex) => void;
  readonly serviceAccount?: string;
  readonly overrides?: Partial<Workload>;
}

/** Configuration of one call; absent parts are unchanged. */
export interface TestConfig {
  readonly proxy?: MessageInitShape<typeof ProxyConfigSchema>;
  readonly frontends?: Readonly<Record<string, MessageInitShape<typeof FrontendSchema>>>;
  readonly routeTables?: Readonly<Record<string, MessageInitShape<typeof RouteTableSchema>>>;
  readonly backends?: Readonly<Record<string, MessageInitShape<typeof BackendSchema>>>;
  readonly policies?: Readonly<Record<string, MessageInitShape<typeof PolicySchema>>>;
  readonly secrets?: Readonly<Record<string, MessageInitShape<typeof SecretSchema>>>;
  readonly removePolicies?: readonly string[];
}

/** The service `reviews` with ports 80 (HTTP by default), at the VIP. */
export const testService = (overrides: Partial<Service> = {}): Service => ({
  name: 'reviews',
  namespace: 'apps',
  hostname: HOSTNAME,
  vips: [{ network: '', ip: VIP }],
  cidrVips: [],
  ports: { 80: 8080 },
  subjectAltNames: [],
  waypoint: undefined,
  weightedWaypoints: [],
  loadBalancer: undefined,
  ipFamilies: undefined,
  canonical: true,
  visibility: 'PUBLIC',
  ...overrides,
});

/** How a test mesh differs from the usual one. */
export interface TestMeshOptions {
  /** Numbers in [0, 1) for all decisions; default random ones. */
  readonly random?: () => number;
  /** Default `TEXT`. */
  readonly accessLog?: 'TEXT' | 'JSON' | 'mesh' | 'off';
  /** Name server of the data plane. */
  readonly resolveName?: ResolveName;
  /** Log of the data plane; default none. */
  readonly log?: RootLogger;
}

/** Starts the mesh: one service without routes, no workload yet. */
export const startTestMesh = async (options: TestMeshOptions = {}): Promise<TestMesh> => {
  const mesh = new Mesh();
  await mesh.start(options);
  return mesh;
};

class Mesh implements TestMesh {
  readonly ca = testCa();
  readonly store = createStateStore();
  readonly accessLines: string[] = [];
  readonly messages: FromDataThread[] = [];
  readonly upstreamAuthorities: string[] = [];
  readonly randoms: number[] = [];
  plane!: DataPlane;
  waypointPort = 0;
  readonly #log: RootLogger = createLogger({ level: 'off', format: 'plain', write: () => undefined });
  readonly #apps = new Map<string, WorkloadOptions>();
  readonly #http = new Map<string, Server>();
  readonly #pools = new Map<string, HbonePool>();
  readonly #servers = new Map<string, HboneServer<PeerIdentity>>();
  #listener: Listener | undefined;
  readonly #contexts = new Map<string, TlsContext>();

  nextRandom(): number {
    return this.randoms.shift() ?? Math.random();
  }

  async start({ random, accessLog = 'TEXT', log, resolveName }: TestMeshOptions): Promise<void> {
    const own = await this.ca.issue(this.ca.identity('apps', 'waypoint'));
    this.#listener = await listenIn(
      { kind: 'host' },
      { port: 0, address: '0.0.0.0' },
      { onConnection: (endpoint) => this.#onUpstreamConnection(endpoint), log: this.#log },
    );
    this.plane = createDataPlane({
      settings: {
        domain: { kind: 'host' },
        hbonePort: 0,
        upstreamHbonePort: this.#listener.address.port,
        ownIp: '127.0.0.1',
        logLevel: 'off',
        logFormat: 'plain',
        accessLog,
        idleMs: undefined,
        sessionKey: new Uint8Array(32).fill(1),
        reusePort: false,
        shared: createSharedMemory(),
        byteEngine: 'http2',
      },
      log: log ?? this.#log,
      post: (message) => {
        this.messages.push(message);
        if (message.kind === 'lookup') setImmediate(() => this.plane.receive({ kind: 'looked-up', key: message.key }));
      },
      accessLine: (line) => this.accessLines.push(line),
      ...(random === undefined ? {} : { random }),
      ...(resolveName === undefined ? {} : { resolveName }),
    });
    this.plane.receive({ kind: 'certificate', certificate: own });
    this.configure({
      proxy: { trustDomain: 'cluster.local' },
      frontends: {
        [`apps/${HOSTNAME}`]: {
          hostname: HOSTNAME,
          namespace: 'apps',
          ports: [{ port: 80, protocol: 1, backend: `apps/${HOSTNAME}/80` }],
        },
      },
      backends: {
        [`apps/${HOSTNAME}/80`]: {
          hostname: HOSTNAME,
          port: 80,
          protocol: 1,
          serviceNamespace: 'apps',
          serviceName: 'reviews',
        },
      },
    });
    this.publish({ services: [testService()] });
    this.waypointPort = await this.plane.listen();
  }

  configure(config: TestConfig): void {
    const rows = <T>(given: Readonly<Record<string, T>> | undefined) => Object.entries(given ?? {});
    const kinds: Record<string, unknown> = {
      frontend: {
        upsert: rows(config.frontends).map(([key, init]) => [key, create(FrontendSchema, init)]),
        remove: [],
      },
      routeTable: {
        upsert: rows(config.routeTables).map(([key, init]) => [key, create(RouteTableSchema, init)]),
        remove: [],
      },
      backend: { upsert: rows(config.backends).map(([key, init]) => [key, create(BackendSchema, init)]), remove: [] },
      policy: {
        upsert: rows(config.policies).map(([key, init]) => [key, create(PolicySchema, init)]),
        remove: config.removePolicies ?? [],
      },
    };
    const secrets = rows(config.secrets).map(([key, init]) => [key, create(SecretSchema, init)]);
    kinds['secret'] = { upsert: secrets, remove: [] };
    if (config.proxy !== undefined) {
      kinds['proxy'] = { upsert: [['self', create(ProxyConfigSchema, config.proxy)]], remove: [] };
      const listener = create(ListenerSchema, { port: 15_008, protocol: Listener_Protocol.HBONE });
      kinds['listener'] = { upsert: [['apps/waypoint/mesh/15008', listener]], remove: [] };
    }
    const diff = { kinds } as unknown as ConfigDiff;
    this.plane.receive({ kind: 'config', diff: structuredClone(diff) });
  }

  publish({ removed = [], ...update }: Published): void {
    const { diff } = this.store.apply({ ...update, addresses: { updated: [], removed } });
    this.plane.receive({ kind: 'state', diff: structuredClone(diff) });
  }

  addWorkload(n: number, options: WorkloadOptions = {}): Workload {
    const ip = `127.0.0.${n}`;
    this.#apps.set(ip, options);
    const workload: Workload = {
      uid: `cluster//Pod/apps/reviews-${n}`,
      name: `reviews-${n}`,
      namespace: 'apps',
      ips: [ip],
      hostname: '',
      network: '',
      protocol: 'HBONE',
      trustDomain: 'cluster.local',
      serviceAccount: options.serviceAccount ?? 'reviews',
      waypoint: undefined,
      networkGateway: undefined,
      node: 'node',
      canonicalName: 'reviews',
      canonicalRevision: `v${n}`,
      workloadType: 'deployment',
      workloadName: `reviews-v${n}`,
      nativeTunnel: false,
      applicationTunnel: undefined,
      services: { [`apps/${HOSTNAME}`]: { 80: 8080 } },
      authorizationPolicies: [],
      healthy: true,
      clusterId: 'cluster',
      locality: { region: '', zone: '', subzone: '' },
      hostNetwork: false,
      capacity: 1,
      ...options.overrides,
    };
    this.publish({ workloads: [workload] });
    return workload;
  }

  async tunnel(
    authority = `${VIP}:80`,
    serviceAccount = 'client',
    headers: Record<string, string> = {},
  ): Promise<Endpoint> {
    const source = this.ca.identity('clients', serviceAccount);
    const pool = await this.#pool(source);
    const destination = `127.0.0.1:${this.waypointPort}`;
    return pool.open(
      { source, destination, expected: [this.ca.identity('apps', 'waypoint')] },
      {
        authority,
        headers: {
          forwarded: 'for="10.1.2.3:5555"',
          baggage: 'k8s.namespace.name=clients,k8s.deployment.name=curl,service.name=curl',
          ...headers,
        },
      },
    );
  }

  async get(path: string, options: RequestOptions = {}): Promise<SeenResponse> {
    const socket = tunnelSocket(await this.tunnel(options.authority, options.serviceAccount));
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        path,
        method: options.method ?? 'GET',
        headers: { host: 'reviews', ...options.headers },
        createConnection: () => socket,
      });
      request.on('error', reject);
      request.on('response', (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          socket.end();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: Buffer.concat(pieces).toString(),
            trailers: response.trailers,
          });
        });
      });
      request.end(options.body);
    });
  }

  async metrics(): Promise<string> {
    this.plane.receive({ kind: 'scrape', id: this.messages.length });
    for (;;) {
      const found = this.messages.findLast((message) => message.kind === 'metrics');
      if (found !== undefined) return found.text;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  close(): void {
    const reason = new Error('test ended');
    this.plane.destroy();
    for (const pool of this.#pools.values()) pool.destroy(reason);
    for (const server of this.#servers.values()) server.destroy(reason);
    for (const server of this.#http.values()) server.close();
    this.#listener?.close();
  }

  async #pool(source: string): Promise<HbonePool> {
    const known = this.#pools.get(source);
    if (known !== undefined) return known;
    const context = await this.#context(source);
    const pool = createHbonePool({
      log: this.#log,
      dial: async (key) => {
        const [host, port] = key.destination.split(':') as [string, string];
        const socket = await connect({ kind: 'host' }, { host, port: Number(port) });
        const verifyPeer = createPeerVerifier({ roots: this.ca.rootPem, peerRole: 'server', expected: key.expected });
        return secureClient(socket, context, { verifyPeer });
      },
    });
    this.#pools.set(source, pool);
    return pool;
  }

  async #context(identity: string): Promise<TlsContext> {
    const known = this.#contexts.get(identity);
    if (known !== undefined) return known;
    const certificate = await this.ca.issue(identity);
    const context = createTlsContext({
      certChainPem: certificate.certChainPem,
      privateKeyPem: certificate.privateKeyPem,
      rootsPem: certificate.rootsPem,
    });
    this.#contexts.set(identity, context);
    return context;
  }

  #onUpstreamConnection(endpoint: Endpoint): void {
    const ip = endpoint.local?.ip ?? '';
    let server = this.#servers.get(ip);
    if (server === undefined) {
      const account = this.#apps.get(ip)?.serviceAccount ?? 'reviews';
      server = createHboneServer<PeerIdentity>({
        tls: async () => this.#context(this.ca.identity('apps', account)),
        verifyPeer: createPeerVerifier({ roots: createTrustStore({ rootsPem: this.ca.rootPem }), peerRole: 'client' }),
        onTunnel: (request) => this.#onUpstreamTunnel(request),
        log: this.#log,
      });
      this.#servers.set(ip, server);
    }
    server.accept(endpoint);
  }

  #onUpstreamTunnel(request: TunnelRequest<PeerIdentity>): void {
    this.upstreamAuthorities.push(request.authority);
    const ip = request.authority.split(':')[0] as string;
    const app = this.#apps.get(ip);
    if (app === undefined) {
      request.reject(503);
      return;
    }
    const socket = tunnelSocket(request.accept());
    if (app.raw !== undefined) {
      app.raw(socket);
      return;
    }
    let server = this.#http.get(ip);
    if (server === undefined) {
      server = createHttpServer(app.handler ?? ((_request, response) => response.end(`hello from ${ip}\n`)));
      this.#http.set(ip, server);
    }
    server.emit('connection', socket);
  }
}
