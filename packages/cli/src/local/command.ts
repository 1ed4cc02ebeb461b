// `ambit local up|down|status`: the embedded cluster, for trying, developing and testing only.
import { type Command, Option } from 'commander';
import type { CliConfig } from '../config.ts';

/** Adds `local` and its subcommands. */
export function addLocalCommand(program: Command, config: CliConfig): void {
  const local = program
    .command('local')
    .description('The embedded local cluster: for trying, developing and testing only');
  local
    .command('up')
    .description('Start a local cluster in the background and print its kubeconfig')
    .addOption(
      new Option('--mode <mode>', 'netns needs root, iproute2 and nftables; loopback needs no rights')
        .choices(['auto', 'netns', 'loopback'])
        .default('auto'),
    )
    .option('--nodes <count>', 'number of nodes, 1 to 9', '2')
    .option('--name <name>', 'name of the cluster', 'local')
    .action(async (options: { mode: string; nodes: string; name: string }) => {
      const { localUp } = await import('./up.ts');
      await localUp(config, options);
    });
  local
    .command('down')
    .description('Stop a local cluster and remove everything it made')
    .option('--name <name>', 'name of the cluster', 'local')
    .action(async (options: { name: string }) => {
      const { localDown } = await import('./down.ts');
      await localDown(config, options.name);
    });
  local
    .command('status')
    .description('Show the local clusters of this machine')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (options: { output: string }) => {
      const { localStatus } = await import('./status.ts');
      localStatus(config, options.output);
    });
}
