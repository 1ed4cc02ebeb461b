/**
 * Pairs of real node proxies in the production shape: one process per node, a pod in its own namespace on each, redirected
 * traffic, certificates and state from a control plane, policy, access log and metrics on. In: contenders. Out: paths.
 *
 * Called by suite.ts as root. ztunnel is one of the contenders when AMBIT_PEER_ZTUNNEL names it.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Action, Scope } from '@ambit/proto/authorization';
import { TunnelProtocol } from '@ambit/proto/workload';
import { ipv4, startMeshControl, type MeshControl } from '../../fixtures/mesh-control.ts';
import { startNodeProxy } from '../../fixtures/node-proxy.ts';
import { packetAgent } from '../../fixtures/packet-agent.ts';
import { peerProgram } from '../../fixtures/peer-program.ts';
import { createPodNetwork, type PodNamespace, type PodNetwork } from '../../fixtures/pod-network.ts';
import { type BenchPath, ENGINES, startLoad, startScript } from './processes.ts';

const APPLICATION_PORT = 8080;
const NAMESPACE = 'shop';

/** A make of node proxy. */
interface Contender {
  readonly name: string;
  readonly engine: string | undefined;
  /** Command of another make; ours without. */
  readonly program: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/** Starts every pair that can run here; `stack` ends them. `direct` is a pair of pods outside the mesh. */
export async function startPodPairs(stack: AsyncDisposableStack, notRun: string[]): Promise<BenchPath[]> {
  if (process.getuid?.() !== 0) {
    notRun.push('pairs of node proxies (network namespaces need root)');
    return [];
  }
  const contenders: Contender[] = ENGINES.map((engine) => ({
    name: `node proxy, ${engine}`,
    engine,
    program: undefined,
    environment: { AMBIT_BYTE_ENGINE: engine },
  }));
  const ztunnel = peerProgram('ztunnel');
  if (ztunnel === undefined) notRun.push('ztunnel (AMBIT_PEER_ZTUNNEL names none)');
  else
    contenders.unshift({ name: 'ztunnel', engine: undefined, program: [ztunnel, 'proxy', 'ztunnel'], environment: {} });
  const control = stack.use(await startMeshControl());
  control.policy(denySomebody());
  const network = stack.use(createPodNetwork());
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  stack.defer(() => rmSync(scratch, { recursive: true, force: true }));
  const paths = [await directPath(network, stack)];
  for (const [index, contender] of contenders.entries()) {
    paths.push(await startPair(contender, index + 1, { control, network, scratch, stack }));
  }
  return paths;
}

async function directPath(network: PodNetwork, stack: AsyncDisposableStack): Promise<BenchPath> {
  const client = network.pod('dc', '10.201.0.250', { enrolled: false });
  const server = network.pod('ds', '10.201.0.251', { enrolled: false });
  await startApplication(server, stack);
  return pathOf('direct, pods', undefined, client, server, [], stack);
}

interface Place {
  readonly control: MeshControl;
  readonly network: PodNetwork;
  readonly scratch: string;
  readonly stack: AsyncDisposableStack;
}

async function startPair(contender: Contender, index: number, place: Place): Promise<BenchPath> {
  const { control, network, stack } = place;
  const client = network.pod(`c${index}`, `10.201.0.${10 + index}`, { enrolled: true });
  const server = network.pod(`s${index}`, `10.201.0.${110 + index}`, { enrolled: true });
  await startApplication(server, stack);
  publish(control, client, `client-${index}`, `node-a${index}`);
  publish(control, server, `server-${index}`, `node-b${index}`);
  const processes = [
    await startNode(contender, `node-a${index}`, client, `client-${index}`, place),
    await startNode(contender, `node-b${index}`, server, `server-${index}`, place),
  ];
  return pathOf(contender.name, contender.engine, client, server, processes, stack);
}

async function startNode(
  contender: Contender,
  node: string,
  pod: PodNamespace,
  account: string,
  { control, network, scratch, stack }: Place,
): Promise<ChildProcess> {
  const uds = join(scratch, `${node}.sock`);
  const agent = stack.use(
    packetAgent(uds, [
      { uid: `u-${account}`, name: account, namespace: NAMESPACE, serviceAccount: account, netns: pod.netns.fd },
    ]),
  );
  void agent;
  const short = node.slice('node-'.length);
  const home = network.pod(`h${short}`, `10.201.0.${(short.startsWith('a') ? 170 : 200) + Number(short.slice(1))}`, {
    enrolled: false,
  });
  await control.reachableIn({ kind: 'netns', fd: home.netns.fd });
  const proxy = stack.use(
    startNodeProxy(
      {
        ...control.environment,
        ...contender.environment,
        NODE_NAME: node,
        INPOD_UDS: uds,
        RUST_LOG: 'info',
        ZTUNNEL_WORKER_THREADS: '2',
      },
      {
        address: '127.0.0.1',
        wrap: ['ip', 'netns', 'exec', home.namespace],
        ...(contender.program === undefined ? {} : { program: contender.program }),
      },
    ),
  );
  // Its readiness page is in another network namespace: its log says it as well.
  await proxy.line(contender.program === undefined ? 'snapshot complete' : 'marking server ready');
  return proxy.child;
}

function publish(control: MeshControl, pod: PodNamespace, account: string, node: string): void {
  control.workload({
    uid: `Kubernetes//Pod/${NAMESPACE}/${account}`,
    name: account,
    namespace: NAMESPACE,
    serviceAccount: account,
    workloadName: account,
    canonicalName: account,
    canonicalRevision: 'v1',
    addresses: [ipv4(pod.ip)],
    tunnelProtocol: TunnelProtocol.HBONE,
    node,
    authorizationPolicies: [`${NAMESPACE}/not-somebody`],
  });
}

/** A policy that every connection is judged by and that stops none of them. */
function denySomebody() {
  const match = {
    principals: [{ matchType: { case: 'exact' as const, value: `cluster.local/ns/${NAMESPACE}/sa/somebody` } }],
  };
  return {
    name: 'not-somebody',
    namespace: NAMESPACE,
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    groups: [{ rules: [{ matches: [match] }] }],
  };
}

async function startApplication(pod: PodNamespace, stack: AsyncDisposableStack): Promise<void> {
  const wrap = ['ip', 'netns', 'exec', pod.namespace];
  const { child } = await startScript('application.ts', ['0.0.0.0', `${APPLICATION_PORT}`], wrap);
  stack.defer(() => void child.kill('SIGKILL'));
}

async function pathOf(
  name: string,
  engine: string | undefined,
  client: PodNamespace,
  server: PodNamespace,
  processes: readonly ChildProcess[],
  stack: AsyncDisposableStack,
): Promise<BenchPath> {
  const load = startLoad(['ip', 'netns', 'exec', client.namespace]);
  stack.defer(() => load.end());
  return { name, engine, group: 'pods', host: server.ip, port: APPLICATION_PORT, processes, load };
}
