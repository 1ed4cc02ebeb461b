// `ambit version`: the client's version, and the control plane's and the data plane's where a cluster answers.
import { type Command, Option } from 'commander';
import type { CliConfig } from '../config.ts';

/** Adds `version`. */
export function addVersionCommand(program: Command, config: CliConfig): void {
  program
    .command('version')
    .description('Print the version of the client, the control planes and the proxies, and whether they go together')
    .option('--remote <bool>', 'ask the cluster too', 'true')
    .option('--client', 'only the client')
    .option('-r, --revision <revision>', 'only this control plane')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml']).default('text'))
    .option('-s, --short', 'only the numbers')
    .action(
      async (options: { remote: string; client?: boolean; output: string; short?: boolean; revision?: string }) => {
        const { printVersion } = await import('./print.ts');
        await printVersion(program, config, options);
      },
    );
}
