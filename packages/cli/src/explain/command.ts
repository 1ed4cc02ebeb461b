// `ambit explain`: why a connection or request is allowed or denied, decided with the packages of the data plane.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import type { ExplainFlags } from './run.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Adds `explain`. */
export function addExplainCommand(program: Command, config: CliConfig): void {
  program
    .command('explain')
    .argument('<source>', 'who connects: a pod, deploy/x, svc/x, sa/x')
    .argument('<destination>', 'svc/x:PORT, a pod, an address or a host name with a port')
    .description('Explain why a connection or a request is allowed or denied')
    .option('--method <method>', 'HTTP method; makes it a request')
    .option('--path <path>', 'path of the request')
    .option('--header <line>', "'name: value'; repeatable", collect)
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml']).default('text'))
    .addHelpText('after', exitStatusHelp('0 allowed', '3 denied', '4 undecided'))
    .action(async (source: string, destination: string, flags: ExplainFlags) => {
      const { explainConnection } = await import('./run.ts');
      const api = await openCluster(program, config);
      process.exitCode = await explainConnection(api, source, destination, flags);
      api.close();
    });
}
