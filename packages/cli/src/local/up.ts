// `ambit local up`. In: options as text. Out: a cluster in the background and how to reach it. Called by command.ts.
import type { CliConfig } from '../config.ts';
import { CliError } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import { launchCluster } from './launch.ts';

/** Number of nodes from its text. Throws ERR_CLI_INVALID. */
export function nodeCount(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 9) return count;
  throw new CliError('ERR_CLI_INVALID', `--nodes must be a whole number from 1 to 9, not "${text}"`);
}

/** Starts a cluster and prints its kubeconfig. */
export async function localUp(
  config: CliConfig,
  options: { readonly mode: string; readonly nodes: string; readonly name: string },
): Promise<void> {
  const progress = startProgress('starting the local cluster');
  const { description } = await launchCluster({
    root: config.localDirectory,
    name: options.name,
    mode: options.mode as 'auto' | 'netns' | 'loopback',
    nodes: nodeCount(options.nodes),
    background: true,
  });
  progress.done(`local cluster "${options.name}" is up in ${description.mode} mode`);
  process.stdout.write(`export KUBECONFIG=${description.kubeconfig}\n`);
}
