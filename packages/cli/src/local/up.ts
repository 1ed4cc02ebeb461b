// `ambit local up`. In: options as text, a file. Out: a cluster in the background with what the file asks for, and how to reach it.
// Called by command.ts.
import { kinds } from '../cluster/kinds.ts';
import { nameOf } from '../cluster/object-fields.ts';
import { waitForRollouts } from '../cluster/rollout.ts';
import type { CliConfig } from '../config.ts';
import { CliError } from '../errors.ts';
import { type Progress, startProgress } from '../output/progress.ts';
import type { ClusterWishes } from './cluster-file.ts';
import { launchCluster } from './launch.ts';
import { clusterDirectory, readCluster } from './state-folder.ts';

const MESH_NAMESPACE = 'istio-system';
const ROLLOUT_MS = 120_000;
const DEFAULT_NODES = 2;

/** Options of the command; `mode` and `nodes` are undefined where the command line is silent. */
export interface UpOptions {
  readonly mode?: string;
  readonly nodes?: string;
  readonly name: string;
  readonly filename?: string;
}

/** Number of nodes from its text. Throws ERR_CLI_INVALID. */
export function nodeCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 9) return count;
  throw new CliError('ERR_CLI_INVALID', `--nodes must be a whole number from 1 to 9, not "${text}"`);
}

/** Starts a cluster, or takes the running one where there is a file to apply, and prints its kubeconfig. */
export async function localUp(config: CliConfig, options: UpOptions): Promise<void> {
  const { filename, name } = options;
  const wishes = filename === undefined ? undefined : (await import('./cluster-file.ts')).readClusterWishes(filename);
  const directory = clusterDirectory(config.localDirectory, name);
  if (wishes !== undefined && wishes.images.length > 0) {
    const { addImages } = await import('./image-map.ts');
    addImages(directory, wishes.images);
  }
  const progress = startProgress('starting the local cluster');
  const running = wishes === undefined ? undefined : readCluster(config.localDirectory, name).running;
  const description =
    running ??
    (
      await launchCluster({
        root: config.localDirectory,
        name,
        mode: (options.mode ?? wishes?.mode ?? 'auto') as 'auto' | 'netns' | 'loopback',
        nodes: options.nodes === undefined ? (wishes?.nodes ?? DEFAULT_NODES) : nodeCount(options.nodes),
        background: true,
      })
    ).description;
  if (wishes !== undefined) await applyWishes(description.kubeconfig, wishes, progress);
  progress.done(`local cluster "${name}" is up in ${description.mode} mode`);
  process.stdout.write(`export KUBECONFIG=${description.kubeconfig}\n`);
}

/** Installs the mesh where asked for, applies the objects, and waits for every Deployment and DaemonSet of both. */
async function applyWishes(kubeconfig: string, wishes: ClusterWishes, progress: Progress): Promise<void> {
  const [{ connectCluster }, { applyMesh, applyObjects, meshWorkloads }] = await Promise.all([
    import('../cluster/connect.ts'),
    import('../install/install.ts'),
  ]);
  const api = await connectCluster(kubeconfig, undefined);
  try {
    if (wishes.hasMesh) {
      progress.update('installing the mesh');
      await applyMesh(api, {
        namespace: MESH_NAMESPACE,
        revision: '',
        charts: ['base', 'istiod', 'cni', 'ztunnel'],
        values: {},
      });
    }
    progress.update(`applying ${wishes.objects.length} objects`);
    await applyObjects(api, wishes.objects);
    const workloads = wishes.objects
      .filter(({ kind }) => kind === kinds.deployment.kind || kind === kinds.daemonSet.kind)
      .map((object) => ({
        ...(object.kind === kinds.deployment.kind ? kinds.deployment : kinds.daemonSet),
        namespace: object.metadata?.namespace ?? 'default',
        name: nameOf(object),
      }));
    const all = [...(wishes.hasMesh ? meshWorkloads(MESH_NAMESPACE) : []), ...workloads];
    if (all.length > 0) await waitForRollouts(api, all, ROLLOUT_MS, { onMissing: progress.update });
  } finally {
    api.close();
  }
}
