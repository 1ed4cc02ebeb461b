// `ambit check` (also `x precheck`'s job with --pre): is the mesh healthy, and if not, what is the first thing to do.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';

/** Adds `check`. Exit 3 when a check failed. */
export function addCheckCommand(program: Command, config: CliConfig): void {
  program
    .command('check')
    .argument('[categories...]', 'only these, for example network-policy waypoints')
    .description('Check the cluster and the mesh')
    .option('--pre', 'only what an installation needs')
    .option('--probe', 'also send real traffic between the nodes, from pods in a namespace that is removed again')
    .option('--wait <duration>', 'try again until nothing fails, for example 5m')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml', 'junit']).default('text'))
    .addHelpText('after', exitStatusHelp('3 a check failed'))
    .action(
      async (
        categories: readonly string[],
        options: { pre?: boolean; probe?: boolean; output: string; wait?: string },
      ) => {
        const { runChecks } = await import('./run.ts');
        const { durationMs } = await import('../output/duration.ts');
        const api = await openCluster(program, config);
        process.exitCode = await runChecks(api, {
          pre: options.pre === true,
          probe: options.probe === true,
          output: options.output,
          only: categories,
          waitMs: options.wait === undefined ? 0 : durationMs(options.wait),
        });
        api.close();
      },
    );
}
