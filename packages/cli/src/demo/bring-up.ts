// In: the flags. Out: a stage: cluster, mesh and sample application running, the page answering. Called by demo.ts.
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { waitForRollouts } from '../cluster/rollout.ts';
import type { CliConfig } from '../config.ts';
import { applyMesh, meshWorkloads } from '../install/install.ts';
import type { InstallWishes } from '../install/wishes.ts';
import { launchCluster } from '../local/launch.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import type { DemoFlags } from './command.ts';
import { freePort } from './free-port.ts';
import { createLoadClient } from './load-client.ts';
import { sampleApplication } from './sample-application.ts';
import { demoName, meshNamespace, shop, type Stage } from './stage.ts';

/** How long a replaced node proxy of the demo may keep its connections: longer than the tour. */
const drainLimitSeconds = 600;

async function applyShop(
  api: ClusterApi,
  ports: { readonly page: number; readonly load: number },
): Promise<readonly string[]> {
  await api.apply({ ...kinds.namespace, metadata: { name: shop } });
  const objects = sampleApplication(ports);
  await Promise.all(objects.map(async (object) => api.apply(object)));
  return objects.filter((object) => object.kind === kinds.deployment.kind).map(nameOf);
}

async function waitForPage(url: string, signal: AbortSignal): Promise<void> {
  await waitUntil(
    'the page',
    20_000,
    async () => {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(3000) });
        await response.arrayBuffer();
        return response.status === 200 ? { value: true } : { missing: `${url} answered ${response.status}` };
      } catch (error) {
        return { missing: `${url}: ${error instanceof Error ? error.message : String(error)}` };
      }
    },
    { signal },
  );
}

/** The demo's mesh. */
export const demoWishes: InstallWishes = {
  namespace: meshNamespace,
  revision: '',
  charts: ['base', 'istiod', 'cni', 'ztunnel'],
  values: {
    meshConfig: { accessLogFile: '/dev/stdout' },
    ztunnel: { terminationGracePeriodSeconds: drainLimitSeconds },
  },
};

/** Brings everything up. What it started is removed by the caller, also when it throws. */
export async function bringUp(config: CliConfig, flags: DemoFlags, signal: AbortSignal): Promise<Stage> {
  const started = performance.now();
  const progress = startProgress('starting a local cluster of two nodes');
  const cluster = await launchCluster({
    root: config.localDirectory,
    name: demoName,
    mode: flags.mode,
    nodes: 2,
    background: false,
    signal,
  });
  progress.update(`cluster is up (${cluster.description.mode} mode); applying the mesh and the sample application`);
  const { connectCluster } = await import('../cluster/connect.ts');
  const api = await connectCluster(cluster.description.kubeconfig, undefined);
  const ports = { page: await freePort(Number(flags.port)), load: await freePort(0) };
  const [deployments] = await Promise.all([applyShop(api, ports), applyMesh(api, demoWishes)]);
  const workloads = [
    ...meshWorkloads(meshNamespace),
    ...deployments.map((name) => ({ ...kinds.deployment, namespace: shop, name })),
  ];
  await waitForRollouts(api, workloads, 90_000, { signal, onMissing: progress.update });
  const pageUrl = `http://127.0.0.1:${ports.page}/productpage`;
  await waitForPage(pageUrl, signal);
  const bringUpMs = performance.now() - started;
  progress.done('mesh and sample application are up');
  const load = createLoadClient(`http://127.0.0.1:${ports.load}`);
  // What failed while parts of the application were still starting says nothing about the mesh.
  await load.reset();
  return {
    api,
    cluster,
    load,
    pageUrl,
    bringUpMs,
    signal,
    notes: new Map(),
  };
}
