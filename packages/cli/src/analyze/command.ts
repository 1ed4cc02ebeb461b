// `ambit analyze` and `ambit validate`: what is wrong with the configuration, in files or in a cluster. Texts and flags of istioctl.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import type { AnalyzeFlags } from './run.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];
const thresholds = ['Info', 'Warning', 'Error'];

/** Adds `analyze` and `validate`. */
export function addAnalyzeCommands(program: Command, config: CliConfig): void {
  program
    .command('analyze')
    .argument('[files...]', 'files or folders; without any, the cluster is analyzed')
    .description('Find what is wrong with the configuration of a cluster or of files')
    .option('-A, --all-namespaces', 'all namespaces')
    .option('-k, --use-kube <bool>', 'look at the cluster too', 'true')
    .option('-R, --recursive', 'descend into folders')
    .option('-L, --list-analyzers', 'list what is looked for')
    .option(
      '-S, --suppress <code=pattern>',
      'leave messages out, for example IST0102="Namespace shop"; repeatable',
      collect,
    )
    .option('--analyzer <name>', 'only this analyzer; repeatable', collect)
    .addOption(
      new Option('--failure-threshold <level>', 'level at which the exit status is 79')
        .choices(thresholds)
        .default('Error'),
    )
    .addOption(
      new Option('--output-threshold <level>', 'lowest level that is printed').choices(thresholds).default('Info'),
    )
    .addOption(new Option('-o, --output <format>', 'form').choices(['log', 'json', 'yaml', 'sarif']).default('log'))
    .option('--meshConfigFile <file>', 'mesh configuration to assume')
    .option(
      '--ambient',
      'look also for what istioctl has no message for (AMB0101 and on): pods left out, waypoints missing ...',
    )
    .option('--ignore-unknown', 'documents that cannot be read are no failure')
    .option('--color <bool>', 'colour; default: on a terminal')
    .addHelpText(
      'after',
      exitStatusHelp(
        '65 a file could not be read',
        '79 messages at or above the failure threshold, whatever the form of output',
      ),
    )
    .action(async (files: readonly string[], flags: AnalyzeFlags) => {
      const { analyze } = await import('./run.ts');
      process.exitCode = await analyze(
        async () => openCluster(program, config),
        program.opts<{ namespace?: string; verbose?: boolean }>(),
        files,
        flags,
      );
    });
  program
    .command('validate')
    .requiredOption('-f, --filename <file>', 'file or folder; repeatable', collect)
    .description('Check objects in files as the control plane would when they are applied, without a cluster')
    .addHelpText('after', exitStatusHelp('3 an object would be refused'))
    .action(async (flags: { filename: readonly string[] }) => {
      const { validate } = await import('./validate.ts');
      process.exitCode = validate(flags.filename);
    });
}
