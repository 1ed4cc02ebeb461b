// Suite `node-proxy`: what a node proxy process costs beside its traffic: start to ready, workloads in state, enrolled pods, idle
// connections. In: root, and AMBIT_PEER_ZTUNNEL for a second column. Out: figures. Called by main.ts. The figures of traffic itself
// are the suite `l4`.
import { readdirSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindListener, connect, type Endpoint, listen, type SocketDomain } from '@ambit/net';
import { TunnelProtocol } from '@ambit/proto/workload';
import { echoBack, echoed, exchanged } from '../fixtures/endpoints.ts';
import { ipv4, type MeshControl, startMeshControl } from '../fixtures/mesh-control.ts';
import { type NodeProxyProcess, startNodeProxy } from '../fixtures/node-proxy.ts';
import { packetAgent } from '../fixtures/packet-agent.ts';
import { peerProgram } from '../fixtures/peer-program.ts';
import { createPodNetwork, type PodNamespace, type PodNetwork } from '../fixtures/pod-network.ts';
import { benchReport, type BenchFigure, type BenchReport, median } from './report.ts';

const ROUNDS = Number(process.env['AMBIT_BENCH_ROUNDS'] ?? 3);
const STATES = [0, 10_000, 100_000];
const IMAGES = fileURLToPath(new URL('../../packages/images/src/main.ts', import.meta.url));
const PODS = 200;
const IDLE_CONNECTIONS = 1000;
const CLOCK_TICKS_PER_SECOND = 100;

/** A program that does a node proxy's job. */
interface Column {
  readonly name: string;
  readonly program: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** One measured value of one round. */
interface Sample {
  readonly quantity: string;
  readonly unit: string;
  readonly value: number;
}

const domainOf = (pod: PodNamespace): SocketDomain => ({ kind: 'netns', fd: pod.netns.fd });

/** Runs the suite. */
export async function runNodeProxy(): Promise<BenchReport> {
  if (process.getuid?.() !== 0) throw new Error('the suite node-proxy needs root for network namespaces');
  const startedMs = performance.now();
  const ztunnel = peerProgram('ztunnel');
  using built = builtProgram();
  const columns: readonly Column[] = [
    { name: 'ambit', ...built },
    ...(ztunnel === undefined ? [] : [{ name: 'ztunnel', program: [ztunnel, 'proxy', 'ztunnel'], environment: {} }]),
  ];
  const samples = new Map<string, { readonly path: string; readonly unit: string; readonly rounds: number[] }>();
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const column of columns) {
      for (const { quantity, unit, value } of await measure(column)) {
        const key = `${quantity}\n${column.name}`;
        const held = samples.get(key) ?? { path: column.name, unit, rounds: [] };
        held.rounds.push(value);
        samples.set(key, held);
      }
      process.stderr.write(`round ${round + 1} of ${ROUNDS}: ${column.name}\n`);
    }
  }
  const reference = ztunnel === undefined ? 'none' : 'ztunnel';
  const figures = [...samples].map(([key, { path, unit, rounds }]): BenchFigure => {
    const [quantity = ''] = key.split('\n');
    const other = samples.get(`${quantity}\n${reference}`);
    const ratio = other === undefined ? undefined : median(rounds) / median(other.rounds);
    return { quantity, unit, path, median: median(rounds), rounds, ratio };
  });
  return benchReport(startedMs, {
    suite: 'node-proxy',
    reference,
    figures: figures.toSorted((a, b) => a.quantity.localeCompare(b.quantity) || a.path.localeCompare(b.path)),
    notRun: ztunnel === undefined ? ['ztunnel: AMBIT_PEER_ZTUNNEL is not set'] : [],
    notes: [
      'the program is what the image runs, as the image starts it: joined files, types long gone',
      'the control plane runs in the process of the bench and shares the machine',
      `${PODS} pods share one namespace; both ends of the ${IDLE_CONNECTIONS} idle tunnelled connections are in the measured process`,
    ],
  });
}

async function measure(column: Column): Promise<Sample[]> {
  const samples: Sample[] = [];
  let emptyCpuMs = 0;
  for (const workloads of STATES) {
    const cost = await startWith(column, workloads);
    const state = workloads === 0 ? 'empty' : `${workloads / 1000}k`;
    samples.push({ quantity: `start to ready, ${state}`, unit: 'ms', value: cost.readyMs });
    samples.push({ quantity: `memory, ${state}`, unit: 'MB', value: cost.residentKb / 1024 });
    if (workloads === 0) emptyCpuMs = cost.cpuMs;
    else {
      const each = ((cost.cpuMs - emptyCpuMs) * 1000) / workloads;
      samples.push({ quantity: `CPU per workload, ${state}`, unit: 'us', value: each });
    }
  }
  return [...samples, ...(await servePods(column))];
}

/** Starts a proxy that follows a control plane with so many workloads; what it cost until it was ready. */
async function startWith(
  column: Column,
  workloads: number,
): Promise<{ readyMs: number; residentKb: number; cpuMs: number }> {
  await using stack = new AsyncDisposableStack();
  const control = stack.use(await startMeshControl());
  fill(control, workloads);
  const network = stack.use(createPodNetwork());
  const uds = join(scratchOf(stack), 'zds.sock');
  const agent = stack.use(packetAgent(uds, []));
  const { proxy, home, startedMs } = await start(stack, column, control, network, uds);
  await ready(home);
  const readyMs = performance.now() - startedMs;
  await agent.snapshotTaken();
  return { readyMs, residentKb: residentKbOf(proxy), cpuMs: cpuMsOf(proxy) };
}

/** Pods and idle connections of one running proxy. */
async function servePods(column: Column): Promise<Sample[]> {
  await using stack = new AsyncDisposableStack();
  const control = stack.use(await startMeshControl());
  const network = stack.use(createPodNetwork());
  const client = network.pod('c', '10.201.0.1', { enrolled: true });
  const server = network.pod('s', '10.201.0.2', { enrolled: true });
  const crowd = network.pod('x', '10.201.0.3', { enrolled: false });
  for (const [name, pod] of [
    ['client', client],
    ['server', server],
  ] as const) {
    publishPod(control, name, ipv4(pod.ip));
  }
  const application = await listen(bindListener(domainOf(server), { port: 8080 }), {
    onConnection: echoBack,
    backlog: 4096,
  });
  stack.defer(() => application.close());
  const uds = join(scratchOf(stack), 'zds.sock');
  const pod = (name: string, at: PodNamespace) => ({
    uid: `u-${name}`,
    name,
    namespace: 'shop',
    serviceAccount: name,
    netns: at.netns.fd,
  });
  const agent = stack.use(packetAgent(uds, [pod('client', client), pod('server', server)]));
  const { proxy } = await start(stack, column, control, network, uds);
  await agent.snapshotTaken();

  const before = { residentKb: residentKbOf(proxy), descriptors: descriptorsOf(proxy) };
  for (let count = 0; count < PODS; count += 1) await agent.add(pod(`pod-${count}`, crowd));
  const after = { residentKb: residentKbOf(proxy), descriptors: descriptorsOf(proxy) };

  const open: Endpoint[] = [];
  stack.defer(() => open.forEach((endpoint) => endpoint.destroy(new Error('measured'))));
  const idleBeforeKb = await dialled(open, client, server, 1, proxy);
  const idleAfterKb = await dialled(open, client, server, IDLE_CONNECTIONS, proxy);
  return [
    { quantity: 'memory per pod', unit: 'KB', value: (after.residentKb - before.residentKb) / PODS },
    { quantity: 'descriptors per pod', unit: '', value: (after.descriptors - before.descriptors) / PODS },
    { quantity: 'idle connection, one side', unit: 'KB', value: (idleAfterKb - idleBeforeKb) / IDLE_CONNECTIONS / 2 },
  ];
}

/** Opens connections that have carried one message each; resident memory afterwards. */
async function dialled(
  open: Endpoint[],
  from: PodNamespace,
  to: PodNamespace,
  count: number,
  proxy: NodeProxyProcess,
): Promise<number> {
  for (let left = count; left > 0; left -= 1) {
    const endpoint = await connect(domainOf(from), { host: to.ip, port: 8080 });
    await echoed(endpoint, 'x');
    open.push(endpoint);
  }
  return residentKbOf(proxy);
}

async function start(
  stack: AsyncDisposableStack,
  column: Column,
  control: MeshControl,
  network: PodNetwork,
  uds: string,
): Promise<{ readonly proxy: NodeProxyProcess; readonly home: PodNamespace; readonly startedMs: number }> {
  const home = network.pod('n', '10.201.0.201', { enrolled: false });
  await control.reachableIn(domainOf(home));
  const startedMs = performance.now();
  const proxy = stack.use(
    startNodeProxy(
      {
        ...control.environment,
        ...column.environment,
        NODE_NAME: 'node-a',
        INPOD_UDS: uds,
        RUST_LOG: 'warn',
        ZTUNNEL_WORKER_THREADS: '2',
      },
      {
        address: '127.0.0.1',
        wrap: ['ip', 'netns', 'exec', home.namespace],
        program: column.program,
      },
    ),
  );
  return { proxy, home, startedMs };
}

function fill(control: MeshControl, workloads: number): void {
  for (let index = 0; index < workloads; index += 1) {
    publishPod(
      control,
      `w${index}`,
      Uint8Array.from([10, (index >> 16) & 255, (index >> 8) & 255, index & 255]),
      'node-b',
    );
  }
}

function publishPod(control: MeshControl, name: string, address: Uint8Array, node = 'node-a'): void {
  control.workload({
    uid: `Kubernetes//Pod/shop/${name}`,
    name,
    namespace: 'shop',
    serviceAccount: name,
    workloadName: name,
    canonicalName: name,
    canonicalRevision: 'v1',
    addresses: [address],
    tunnelProtocol: TunnelProtocol.HBONE,
    node,
  });
}

/** Asks the readiness page until it says yes. */
async function ready(home: PodNamespace): Promise<void> {
  const request = Buffer.from('GET /healthz/ready HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n');
  const limitMs = performance.now() + 120_000;
  for (;;) {
    const answer = await connect(domainOf(home), { host: '127.0.0.1', port: 15_021 })
      .then(async (endpoint) => exchanged(endpoint, request))
      .catch(() => undefined);
    if (answer?.toString('latin1').startsWith('HTTP/1.1 200') === true) return;
    if (performance.now() > limitMs) throw new Error('the proxy was not ready within 120 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** The node proxy as its image has it, in a folder of its own. */
function builtProgram(): Disposable & Omit<Column, 'name'> {
  const out = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  execFileSync(process.execPath, ['--conditions=@ambit/source', IMAGES, '--unpacked', '--out', out, 'node-proxy'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const folder = join(out, 'node-proxy');
  const start = JSON.parse(readFileSync(join(folder, 'start.json'), 'utf8')) as {
    readonly arguments: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
  // A path as in the image, below the folder here.
  const given = start.arguments.map((each) => (each.startsWith('/') ? join(folder, each) : each));
  return {
    program: [process.execPath, ...given],
    environment: start.environment,
    [Symbol.dispose]: () => rmSync(out, { recursive: true, force: true }),
  };
}

function scratchOf(stack: AsyncDisposableStack): string {
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  return scratch;
}

function residentKbOf({ child }: NodeProxyProcess): number {
  const line = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    .split('\n')
    .find((text) => text.startsWith('VmRSS:'));
  return Number.parseInt(line?.slice(6) ?? '', 10);
}

function descriptorsOf({ child }: NodeProxyProcess): number {
  return readdirSync(`/proc/${child.pid}/fd`).length;
}

/** Processor time of user and kernel so far. */
function cpuMsOf({ child }: NodeProxyProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / CLOCK_TICKS_PER_SECOND;
}
