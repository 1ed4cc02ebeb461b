// `ambit version`: the client's version, and the control plane's and the data plane's where a cluster answers.
import type { Command } from 'commander';
import type { CliConfig } from '../config.ts';

/** Adds `version`. */
export function addVersionCommand(program: Command, config: CliConfig): void {
  program
    .command('version')
    .description('Print the version of the client, the control plane and the node proxies')
    .option('--remote <bool>', 'ask the cluster too', 'true')
    .option('-o, --output <format>', 'text or json', 'text')
    .option('-s, --short', 'only the numbers')
    .action(async (options: { remote: string; output: string; short?: boolean }) => {
      const { printVersion } = await import('./print.ts');
      await printVersion(program, config, options);
    });
}
