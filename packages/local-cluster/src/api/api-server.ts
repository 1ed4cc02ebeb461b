/**
 * The API server of the local cluster, composed. In: a state folder; out: listeners that speak the Kubernetes API,
 * a kubeconfig, and the in-process `ObjectApi`. Called by the cluster's main. Main thread.
 */

import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Logger } from '@ambit/runtime/log';
import { Authenticator } from '../auth/authenticate.ts';
import { defaultClusterRoleBindings, defaultClusterRoles } from '../auth/default-roles.ts';
import { guardRoles } from '../auth/escalation.ts';
import { Authorizer } from '../auth/rbac.ts';
import { openCredentials } from '../auth/state-folder.ts';
import { TokenIssuer } from '../auth/token-issuer.ts';
import { Database } from '../store/database.ts';
import { LocalClusterError } from '../errors.ts';
import type { KubeObject } from '../store/kube-object.ts';
import { ObjectStore } from '../store/object-store.ts';
import { createWebhookCaller } from './admission/call-webhook.ts';
import { createObjectApi } from './create-object-api.ts';
import { DefinitionController } from './definitions/controller.ts';
import { Exchange } from './http/exchange.ts';
import { serveRequest } from './http/router.ts';
import type { RouterServices } from './http/router.ts';
import { Turns } from './http/turns.ts';
import type { ObjectApi } from './object-api.ts';
import type { PodStreams } from './pod-streams.ts';
import { Registry } from './resources/registry.ts';
import { serveUpgrade } from './streams/upgrade.ts';
import type { Admission, WriteEnvironment } from './write/context.ts';

/** Settings of the API server. */
export interface ApiServerOptions {
  /** Folder of the database, the CA, the signing key and the kubeconfig; made when missing, mode 0700. */
  readonly stateDir: string;
  readonly log: Logger;
  /** Extra addresses and names for the serving certificate, beside those of spec/local-cluster.md 2. */
  readonly certificateNames?: readonly string[];
  /** The node side of log, exec, attach and portforward; without it they answer 501. May be set later. */
  readonly podStreams?: PodStreams;
  /** Static bearer tokens beside the admin token: token -> user. For tests. */
  readonly tokens?: Readonly<Record<string, { readonly username: string; readonly groups?: readonly string[] }>>;
  /** The first address of the service range, for the certificate. Default 10.96.0.1. */
  readonly serviceAddress?: string;
  /** Built-in admission steps, in order: they run inside every create, update and delete. */
  readonly admission?: readonly Admission[];
  /** Milliseconds since the epoch; default the system's. */
  readonly now?: () => number;
}

/** A running API server. */
export interface ApiServer {
  readonly objects: ObjectApi;
  /** PEM of the cluster CA: clients trust it, `kube-root-ca.crt` carries it. */
  readonly caPem: string;
  /** The bearer token of the administrator (group system:masters). A secret. */
  readonly adminToken: string;
  /** Listens on an address; port 0 picks one. */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly port: number }>;
  /** Listens on an already bound socket (made inside a node's namespace); the server owns the fd from here on. */
  listenFd(fd: number): Promise<void>;
  /** YAML of a kubeconfig for this server address (`https://127.0.0.1:6443`) with the administrator's token. */
  kubeconfig(server: string): string;
  /** Writes the same to a file with mode 0600. */
  writeKubeconfig(file: string, server: string): Promise<void>;
  setPodStreams(streams: PodStreams): void;
  /** Adds an admission step behind those of the options. */
  addAdmission(step: Admission): void;
  /** Forgets changes up to the newest revision, as old watches would find them after hours. For tests. */
  compact(): void;
  /** Ends watches, stops listening, checkpoints and closes the database. Idempotent. */
  close(): Promise<void>;
}

const clusterNames = (serviceAddress: string): string[] => [
  '127.0.0.1',
  '::1',
  serviceAddress,
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

const bootNamespaces = ['default', 'kube-system', 'kube-public', 'kube-node-lease'];

async function bootstrap(objects: ObjectApi): Promise<void> {
  for (const name of bootNamespaces) {
    if (objects.get('namespaces', name) === undefined) {
      await objects.create('namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    }
  }
  const ensure = async (resource: string, list: readonly KubeObject[]): Promise<void> => {
    for (const object of list) {
      if (objects.get(resource, object.metadata.name ?? '') === undefined) await objects.create(resource, object);
    }
  };
  await ensure('clusterroles.rbac.authorization.k8s.io', defaultClusterRoles);
  await ensure('clusterrolebindings.rbac.authorization.k8s.io', defaultClusterRoleBindings);
  const priorities = [
    ['system-node-critical', 2_000_001_000],
    ['system-cluster-critical', 2_000_000_000],
  ] as const;
  for (const [name, value] of priorities) {
    await ensure('priorityclasses.scheduling.k8s.io', [
      { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value } as KubeObject,
    ]);
  }
}

/** One listening server with its open connections. */
class Listener {
  readonly server: Http2SecureServer;
  readonly #connections = new Set<Socket>();
  readonly #turns = new Turns();

  constructor(credentials: { certPem: string; keyPem: string }, services: RouterServices, log: Logger) {
    this.server = createSecureServer({
      cert: credentials.certPem,
      key: credentials.keyPem,
      allowHTTP1: true,
      minVersion: 'TLSv1.2',
      settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024 },
    });
    this.server.on('request', (request, response) => {
      response.on('error', (error: Error) => log.debug('response failed', { error: error.message }));
      request.on('error', (error: Error) => log.debug('request failed', { error: error.message }));
      const exchange = new Exchange(request, response);
      void this.#turns.take().then(async () => serveRequest(exchange, services));
    });
    this.server.on('upgrade', (request: Parameters<typeof serveUpgrade>[0], socket: Socket, head: Buffer) => {
      socket.on('error', (error) => log.debug('upgraded connection failed', { error: error.message }));
      void serveUpgrade(request, socket, head, services, log);
    });
    this.server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
      socket.on('error', (error) => log.debug('connection failed', { error: error.message }));
    });
    this.server.on('tlsClientError', (error: Error) => log.debug('handshake failed', { error: error.message }));
    this.server.on('sessionError', (error: Error) => log.debug('session failed', { error: error.message }));
    this.server.on('error', (error: Error) => log.warn('listener failed', { error: error.message }));
  }

  async listen(options: { host: string; port: number } | { fd: number }): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const failed = (cause: Error): void =>
      reject(
        new LocalClusterError('ERR_LOCAL_CLUSTER_LISTEN', `api server cannot listen on ${JSON.stringify(options)}`, {
          cause,
        }),
      );
    this.server.once('error', failed);
    this.server.listen(options, () => {
      this.server.off('error', failed);
      const address = this.server.address() as AddressInfo | null;
      resolve(address?.port ?? 0);
    });
    return promise;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    for (const socket of this.#connections) socket.destroy();
    await promise;
  }
}

/** Opens the state folder and returns a server that does not listen yet. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const now = options.now ?? Date.now;
  const log = options.log.child('api');
  mkdirSync(options.stateDir, { recursive: true, mode: 0o700 });
  const names = [
    ...new Set([...clusterNames(options.serviceAddress ?? '10.96.0.1'), ...(options.certificateNames ?? [])]),
  ];
  const credentials = openCredentials(options.stateDir, names, now());
  const file = join(options.stateDir, 'cluster.db');
  // SQLite gives its log and its index the mode of the database.
  closeSync(openSync(file, 'a', 0o600));
  chmodSync(file, 0o600);
  const store = new ObjectStore(new Database(file), now);
  const registry = new Registry();
  const admission: Admission[] = [...(options.admission ?? [])];
  let { podStreams } = options;
  const callWebhook = createWebhookCaller(store, () => podStreams);
  const environment: WriteEnvironment = { store, registry, admission, callWebhook, now };
  const issuer = new TokenIssuer(store, credentials.signingKeyPem, now);
  const authorizer = new Authorizer(store);
  admission.push(guardRoles(authorizer));
  const definitions = new DefinitionController(environment, log);
  const closing = new AbortController();
  const authenticator = new Authenticator(issuer, credentials.adminToken, options.tokens ?? {}, now);
  const objects = createObjectApi(environment, issuer, () => !closing.signal.aborted);
  const services: RouterServices = {
    environment,
    reviews: { authorizer, issuer, staticUser: (token) => authenticator.staticUser(token) },
    closing: closing.signal,
    authenticator,
    authorizer,
    podStreams: () => podStreams,
  };
  const listeners: Listener[] = [];
  await bootstrap(objects);
  const start = async (address: { host: string; port: number } | { fd: number }): Promise<number> => {
    const listener = new Listener(credentials.serving, services, log);
    listeners.push(listener);
    return listener.listen(address);
  };
  const kubeconfig = (server: string): string => kubeconfigText(server, credentials.ca.certPem, credentials.adminToken);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all(listeners.map(async (listener) => listener.close()));
    definitions.close();
    authorizer.close();
    store.close();
  };
  return {
    objects,
    caPem: credentials.ca.certPem,
    adminToken: credentials.adminToken,
    listen: async ({ host, port }) => ({ port: await start({ host, port }) }),
    listenFd: async (fd) => {
      await start({ fd });
    },
    kubeconfig,
    writeKubeconfig: async (path, server) => {
      writeFileSync(path, kubeconfig(server), { mode: 0o600 });
      chmodSync(path, 0o600);
    },
    setPodStreams: (streams) => {
      podStreams = streams;
    },
    addAdmission: (step) => {
      admission.push(step);
    },
    compact: () => store.compact(store.revision),
    close: async () => (closed ??= close()),
  };
}

function kubeconfigText(server: string, caPem: string, token: string): string {
  const name = 'ambit-local';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}
