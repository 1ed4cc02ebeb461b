// The cluster, composed: API server, controllers, nodes with their networks, host listeners. The only file that
// constructs. Comes in: options. Goes out: a running cluster whose `close()` leaves nothing on the machine. Main thread.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync, realpathSync } from 'node:fs';
import { bindListener, bindUdp, openNetns } from '@ambit/net';
import type { SocketDomain } from '@ambit/net';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { ApiServer, ApiServerOptions } from './api/api-server.ts';
import { claimState, readOwner, removeLeftovers, statePaths } from './cluster-state.ts';
import type { ClusterFile, StatePaths } from './cluster-state.ts';
import { ensureClusterServices, KUBERNETES_IP } from './controllers/cluster-services.ts';
import { createEventRecorder } from './controllers/events.ts';
import { createServiceAllocation } from './controllers/service-allocation.ts';
import { startControllers } from './controllers/start-controllers.ts';
import { LocalClusterError } from './errors.ts';
import { serveDns } from './network/dns-server.ts';
import { startHostForwards } from './network/host-forward.ts';
import { createNodeNetworks } from './network/node-network.ts';
import { startNftProxy } from './network/nft-proxy.ts';
import { watchServices } from './network/service-watcher.ts';
import type { ServiceWatcher } from './network/service-watcher.ts';
import { MAX_NODES, NODE_API_PORT, NODE_DNS_PORT, planNodes } from './network/topology.ts';
import type { NodePlace } from './network/topology.ts';
import { createAddressLease } from './node/address-lease.ts';
import { readHostLayout } from './node/host-layout.ts';
import { startTimeOf } from './node/host-process.ts';
import { followImageMap } from './node/image-map-file.ts';
import { PRESET_IMAGES, readImageMap } from './node/images.ts';
import type { ImageEntry } from './node/images.ts';
import { startLoopbackNode } from './node/loopback-node.ts';
import { createNetnsFactory } from './node/netns-sandbox.ts';
import { startNodeRuntime } from './node/node-runtime.ts';
import type { NodeRuntime } from './node/node-runtime.ts';
import { createPodStreams } from './node/pod-streams.ts';
import type { SandboxFactory } from './node/sandbox.ts';
import { checkNetnsHost, checkPortFree, findLoopbackOffset } from './preflight.ts';

/** What a cluster should be. */
export interface ClusterOptions {
  readonly stateDir: string;
  readonly mode: 'netns' | 'loopback';
  readonly nodeCount: number;
  /** Port of the API server on 127.0.0.1; 0 picks one. */
  readonly apiPort: number;
  /** The checkout; its code is what the preset images run. */
  readonly ambitHome: string;
  /** Entries before the presets and `images.yaml` of the state folder. */
  readonly images: readonly ImageEntry[];
  readonly log: Logger;
  /** Makes the API server; tests give their own. */
  createApiServer(options: ApiServerOptions): Promise<ApiServer>;
}

/** A running cluster. */
export interface Cluster {
  readonly file: ClusterFile;
  readonly api: ApiServer;
  /** Ends every pod, removes every namespace, rule and process, closes the API. Idempotent. */
  close(): Promise<void>;
}

const KUBELET_VERSION = 'v1.36.1';
const STOP_GRACE_MS = 2000;

/** Checks the machine, cleans what a crash left, starts everything. Rejects with a `LocalClusterError`; nothing stays then. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const paths = statePaths(options.stateDir);
  await checkBefore(options, paths);
  const id = await claimState(paths);
  await removeLeftovers(paths, id);
  await using undo = new AsyncDisposableStack();
  undo.defer(() => removeLeftovers(paths, id));
  const offset = options.mode === 'loopback' ? await findLoopbackOffset(options.nodeCount) : 0;
  const nodes = planNodes(id, options.mode, options.nodeCount, offset);
  if (existsSync(paths.images)) await readImageMap(paths.images);
  const images = followImageMap(paths.images, { before: options.images, after: PRESET_IMAGES }, options.log);

  const [server] = await Promise.all([
    options.createApiServer({
      stateDir: paths.api,
      log: options.log.child('api'),
      certificateNames: nodes.map((node) => node.ip),
      serviceAddress: KUBERNETES_IP,
    }),
    options.mode === 'netns' ? createNodeNetworks(id, nodes) : undefined,
  ]);
  undo.defer(() => server.close());
  server.addAdmission(createServiceAllocation(server.objects));
  const wanted = options.apiPort === 0 ? await lastApiPort(paths) : options.apiPort;
  const { port } = await server.listen({ host: '127.0.0.1', port: wanted });
  await writeFile(paths.portFile, String(port));
  const services = watchServices(server.objects);
  undo.defer(() => services.close());
  const parts = { options, paths, id, server, services, images, undo };
  const dnsPort = options.mode === 'netns' ? NODE_DNS_PORT : 53;
  const apiPort = options.mode === 'netns' ? NODE_API_PORT : port;
  await ensureClusterServices(server.objects, {
    nodes: options.mode === 'netns' ? nodes : [{ name: nodes[0]?.name ?? '', ip: '127.0.0.1' }],
    apiPort,
    dnsPort,
  });
  const controllers = startControllers(server.objects, options.log, server.caPem, paths.claimsDir);
  undo.defer(() => controllers.close());
  const runtimes = await Promise.all(nodes.map((node) => startNode(parts, node)));
  server.setPodStreams(createPodStreams(runtimes));
  const forwards = startHostForwards(
    server.objects,
    forwardPath(parts, nodes[0] as NodePlace),
    options.log.child('host-forward'),
  );
  undo.defer(() => forwards.close());

  const url = `https://127.0.0.1:${port}`;
  await server.writeKubeconfig(paths.kubeconfig, url);
  const file: ClusterFile = {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    id,
    mode: options.mode,
    kubeconfig: paths.kubeconfig,
    apiPort: port,
    nodes: nodes.map(({ name, ip, netns }) => ({ name, ip, ...(netns === undefined ? {} : { netns }) })),
  };
  await writeFile(paths.clusterFile, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
  const owned = undo.move();
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(runtimes.map((runtime) => runtime.close(STOP_GRACE_MS)));
    await owned.disposeAsync();
  };
  return { file, api: server, close: () => (closing ??= close()) };
}

async function checkBefore(options: ClusterOptions, paths: StatePaths): Promise<void> {
  if (!Number.isInteger(options.nodeCount) || options.nodeCount < 1 || options.nodeCount > MAX_NODES) {
    throw new LocalClusterError(
      'ERR_LOCAL_CLUSTER_USAGE',
      `${options.nodeCount} is no number of nodes (1 to ${MAX_NODES})`,
    );
  }
  const present = readOwner(paths);
  if (present?.isAlive === true && present.owner.pid !== process.pid) {
    throw new LocalClusterError(
      'ERR_LOCAL_CLUSTER_ALREADY_UP',
      `a cluster runs from ${paths.root} (process ${present.owner.pid})`,
      {
        hint: 'stop it with `down`, or give another --state folder',
      },
    );
  }
  if (options.mode === 'netns') checkNetnsHost();
  await checkPortFree('127.0.0.1', options.apiPort, '--api-port');
}

// A kubeconfig that was handed out stays valid over restarts, unless somebody else took the port.
async function lastApiPort(paths: StatePaths): Promise<number> {
  const last = Number(await readFile(paths.portFile, 'utf8').catch(() => '0'));
  if (!Number.isInteger(last) || last < 1 || last > 65_535) return 0;
  return checkPortFree('127.0.0.1', last, '--api-port').then(
    () => last,
    () => 0,
  );
}

interface Parts {
  readonly options: ClusterOptions;
  readonly paths: StatePaths;
  readonly id: string;
  readonly server: ApiServer;
  readonly services: ServiceWatcher;
  readonly images: () => readonly ImageEntry[];
  readonly undo: AsyncDisposableStack;
}

async function startNode(parts: Parts, node: NodePlace): Promise<NodeRuntime> {
  const { options, paths, server } = parts;
  const log = options.log.child(node.name);
  await mkdir(paths.nodeDir(node.name), { recursive: true, mode: 0o755 });
  await mkdir(paths.podsDir(node.name), { recursive: true, mode: 0o711 });
  const factory =
    options.mode === 'netns' ? await startNetnsNode(parts, node, log) : await startLoopback(parts, node, log);
  return startNodeRuntime({
    api: server.objects,
    log,
    events: createEventRecorder(server.objects, log, 'kubelet'),
    place: node,
    factory,
    images: parts.images,
    podsDir: paths.podsDir(node.name),
    claimsDir: paths.claimsDir,
    kubeletVersion: KUBELET_VERSION,
  });
}

async function startNetnsNode(parts: Parts, node: NodePlace, log: Logger): Promise<SandboxFactory> {
  const { options, paths, server, undo } = parts;
  const netns = openNetns(`/run/netns/${node.netns ?? ''}`);
  undo.defer(() => netns.close());
  const domain: SocketDomain = { kind: 'netns', fd: netns.fd };
  await server.listenFd(bindListener(domain, { address: node.ip, port: NODE_API_PORT }));
  const dns = await serveDns(server.objects, {
    udpFd: bindUdp(domain, { address: node.ip, port: NODE_DNS_PORT }),
    tcpFd: bindListener(domain, { address: node.ip, port: NODE_DNS_PORT }),
  });
  undo.defer(() => dns.close());
  const proxy = startNftProxy(node, parts.services, log);
  undo.defer(() => proxy.close());
  const factory = createNetnsFactory({
    clusterId: parts.id,
    place: node,
    addresses: createAddressLease(node),
    layout: readHostLayout(),
    ambitHome: options.ambitHome,
    nodeBinary: realpathSync(process.execPath),
    stateDir: realpathSync(paths.root),
    nodeDir: paths.nodeDir(node.name),
    log,
  });
  undo.defer(() => factory.close());
  return factory;
}

async function startLoopback(parts: Parts, node: NodePlace, log: Logger): Promise<SandboxFactory> {
  const { options, paths, server, undo } = parts;
  const loopback = await startLoopbackNode({
    api: server.objects,
    services: parts.services,
    place: node,
    ambitHome: options.ambitHome,
    nodeDir: paths.nodeDir(node.name),
    log,
  });
  undo.defer(() => loopback.close());
  return loopback;
}

function forwardPath(parts: Parts, node: NodePlace): Parameters<typeof startHostForwards>[1] {
  const table = (): ReturnType<ServiceWatcher['table']> => parts.services.table(node.name);
  if (parts.options.mode === 'loopback') {
    return { domain: { kind: 'loopback', address: node.ip }, table, hasServiceRules: false };
  }
  const netns = openNetns(`/run/netns/${node.netns ?? ''}`);
  parts.undo.defer(() => netns.close());
  return { domain: { kind: 'netns', fd: netns.fd }, table, hasServiceRules: true };
}

/** Removes what a cluster left on the machine, after asking a live one to stop. Resolves with what was done. */
export async function stopCluster(stateDir: string, log: Logger): Promise<'stopped' | 'cleaned' | 'nothing'> {
  const paths = statePaths(stateDir);
  const present = readOwner(paths);
  if (present === undefined) return 'nothing';
  const { owner } = present;
  if (present.isAlive && owner.pid !== process.pid) {
    process.kill(owner.pid, 'SIGTERM');
    for (let waited = 0; waited < 300 && startTimeOf(owner.pid) === owner.startTime; waited += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (startTimeOf(owner.pid) === owner.startTime) process.kill(owner.pid, 'SIGKILL');
  }
  await removeLeftovers(paths, owner.id).catch((error: unknown) => {
    log.error('not everything could be removed', { error: messageOf(error) });
    throw error;
  });
  return present.isAlive ? 'stopped' : 'cleaned';
}
