// `ambit cert list|watch|verify`: identities and their certificates, as node proxies hold them and as a live peer shows them.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { endOf } from '../output/end-of.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

interface WatchFlags {
  readonly interval: string;
  readonly warn?: string;
  readonly for?: string;
  readonly output: 'table' | 'jsonl';
}

/** Adds `cert` and its subcommands. */
export function addCertCommand(program: Command, config: CliConfig): void {
  const cert = program.command('cert').description('Identities and their certificates');
  outputOptions(
    cert.command('list').description('List the certificates of all node proxies, those that end first at the top'),
    '3 an identity has no valid certificate',
  ).action(async (flags: OutputFlags) => {
    const { certList } = await import('./list.ts');
    const api = await openCluster(program, config);
    process.exitCode = await certList(api, flags);
    api.close();
  });
  cert
    .command('watch')
    .argument('[identity]', 'only identities that contain this')
    .description('Show certificates as they are issued, renewed and end, and those that should have been renewed')
    .option('--interval <duration>', 'how often to look', '5s')
    .option('--warn <duration>', 'a certificate that ends within this is late; default: a third of its life is left')
    .option('--for <duration>', 'how long, for example 10m; default: until Ctrl-C')
    .addOption(new Option('-o, --output <format>', 'form').choices(['table', 'jsonl']).default('table'))
    .addHelpText('after', exitStatusHelp('3 a certificate was late, ended or lost'))
    .action(async (only: string | undefined, flags: WatchFlags) => {
      const [{ certWatch }, { durationMs }] = await Promise.all([
        import('./watch.ts'),
        import('../output/duration.ts'),
      ]);
      const api = await openCluster(program, config);
      const options = {
        output: flags.output,
        intervalMs: durationMs(flags.interval),
        ...(flags.warn === undefined ? {} : { warnMs: durationMs(flags.warn) }),
        ...(only === undefined ? {} : { only }),
      };
      process.exitCode = await certWatch(
        api,
        options,
        endOf(flags.for === undefined ? undefined : durationMs(flags.for)),
      );
      api.close();
    });
  outputOptions(
    cert
      .command('verify')
      .argument('<reference>', 'a captured workload or a waypoint: pod, deploy/x, svc/x, gateway/x, an address')
      .description(
        'Connect to the tunnel port of each pod and check the certificate it shows against the root of the mesh',
      ),
    '3 a pod shows a certificate that cannot be trusted, another identity, or none',
    'Needs create on pods/portforward in the namespace of the pods.',
  ).action(async (reference: string, flags: OutputFlags) => {
    const { certVerify } = await import('./verify.ts');
    const api = await openCluster(program, config);
    process.exitCode = await certVerify(api, reference, flags);
    api.close();
  });
}
