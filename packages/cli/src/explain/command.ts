// `ambit explain`: why a connection or request is allowed or denied, decided with the packages of the data plane.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import type { ExplainFlags } from './run.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Adds `explain`. */
export function addExplainCommand(program: Command, config: CliConfig): void {
  const explain = program
    .command('explain')
    // A pod may be called help.
    .helpCommand(false)
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
  explain
    .command('conn')
    .argument('[line]', 'a line of an access log, or of tap -o jsonl; default, and -: lines of standard input')
    .description('Explain a connection or request that a proxy has recorded, and what the policies say of it now')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml']).default('text'))
    .addHelpText(
      'after',
      exitStatusHelp(
        '0 now allowed',
        '3 now denied',
        '4 undecided; of several lines the highest',
        'ambit logs deploy/web --denied | ambit explain conn',
      ),
    )
    .action(async (line: string | undefined) => {
      // The command in front takes the option, wherever it stands.
      const { output } = explain.opts<ExplainFlags>();
      const { explainLines } = await import('./conn.ts');
      const api = await openCluster(program, config);
      process.exitCode = await explainLines(api, line, output);
      api.close();
    });
}
