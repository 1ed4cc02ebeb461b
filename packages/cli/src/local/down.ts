// `ambit local down`. In: a name. Out: nothing left of that cluster, also after a crash. Called by command.ts and the demo.
import { existsSync, rmSync } from 'node:fs';
import type { CliConfig } from '../config.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { runClusterCommand } from './launch.ts';
import { type ClusterProcess, isAlive, readCluster } from './state-folder.ts';

/** Asks a cluster's process to end and waits. Throws ERR_CLI_TIMEOUT. */
export async function stopProcess(name: string, cluster: ClusterProcess): Promise<void> {
  process.kill(cluster.pid, 'SIGTERM');
  await waitUntil(`end of the local cluster "${name}"`, 40_000, async () =>
    isAlive(cluster) ? { missing: `process ${cluster.pid} still lives` } : { value: true },
  );
}

/** Asks a running cluster to end and waits; then removes what a crash may have left, and the folder. */
export async function removeCluster(root: string, name: string): Promise<void> {
  const { directory, running } = readCluster(root, name);
  if (!existsSync(directory)) return;
  if (running !== undefined) {
    await stopProcess(name, running);
  }
  await runClusterCommand(['down', '--state', directory]);
  rmSync(directory, { recursive: true, force: true });
}

/** Removes a cluster and says so. */
export async function localDown(config: CliConfig, name: string): Promise<void> {
  const progress = startProgress(`stopping the local cluster "${name}"`);
  await removeCluster(config.localDirectory, name);
  progress.done(`local cluster "${name}" is gone`);
}
