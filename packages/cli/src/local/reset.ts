// `ambit local reset`. In: a cluster's name. Out: the same cluster with nothing on it: nodes, mode, port, keys and image map stay. Called by
// command.ts.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CliConfig } from '../config.ts';
import { startProgress } from '../output/progress.ts';
import { stopProcess } from './down.ts';
import { launchCluster } from './launch.ts';
import { requireRunning } from './state-folder.ts';

/** What a cluster stores of its objects, below its folder. */
const stored = ['api/cluster.db', 'api/cluster.db-wal', 'api/cluster.db-shm', 'claims', 'nodes'];

/** Stops the cluster, forgets its objects and starts it again. */
export async function localReset(config: CliConfig, name: string): Promise<void> {
  const { directory, description } = requireRunning(config.localDirectory, name);
  const progress = startProgress(`resetting the local cluster "${name}"`);
  await stopProcess(name, description);
  for (const part of stored) rmSync(join(directory, part), { recursive: true, force: true });
  await launchCluster({
    root: config.localDirectory,
    name,
    mode: description.mode,
    nodes: description.nodes.length,
    background: true,
  });
  progress.done(`local cluster "${name}" is empty again`);
}
