// `ambit check`: is the mesh healthy, and if not, what is the first thing to do.
import type { Command } from 'commander';
import { type GlobalOptions, openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

/** Adds `check`. Exit 3 when a check failed. */
export function addCheckCommand(program: Command, config: CliConfig): void {
  program
    .command('check')
    .description('Check the cluster and the mesh')
    .option('--pre', 'only what an installation needs')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (options: { pre?: boolean; output: string }) => {
      const { runChecks } = await import('./run.ts');
      const api = await openCluster(program, config);
      process.exitCode = await runChecks(api, {
        namespace: program.opts<GlobalOptions>().istioNamespace,
        pre: options.pre === true,
        format: options.output,
      });
    });
}
