// `ambit local status`. In: the folder of local clusters. Out: a table, or JSON. Called by command.ts.
import type { CliConfig } from '../config.ts';
import { table } from '../output/table.ts';
import { listClusters } from './state-folder.ts';

/** Prints every local cluster of this machine. */
export function localStatus(config: CliConfig, format: string): void {
  const clusters = listClusters(config.localDirectory);
  if (format === 'json') {
    process.stdout.write(`${JSON.stringify(clusters, undefined, 2)}\n`);
    return;
  }
  if (clusters.length === 0) {
    process.stdout.write('no local cluster\ntry: ambit local up\n');
    return;
  }
  const rows = clusters.map(({ name, running }) => [
    name,
    running === undefined ? 'stopped' : 'running',
    running?.mode ?? '',
    running === undefined ? '' : String(running.nodes.length),
    running?.kubeconfig ?? '',
  ]);
  process.stdout.write(`${table(['NAME', 'STATUS', 'MODE', 'NODES', 'KUBECONFIG'], rows)}\n`);
}
