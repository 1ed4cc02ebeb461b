// `ambit policy list|where|simulate|diff|suggest|test`: authorization policies: where they are enforced, and what a change would do.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';
import type { SimulateFlags } from './simulate.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** Adds `policy` and its subcommands. */
export function addPolicyCommand(program: Command, config: CliConfig): void {
  const policy = program
    .command('policy')
    .description('Authorization policies: where they are enforced, and what a change would do');
  outputOptions(
    policy
      .command('list')
      .description('List policies with the places that enforce them')
      .option('-A, --all-namespaces', 'all namespaces'),
  ).action(async (flags: OutputFlags & { allNamespaces?: boolean }) => {
    const { policyList } = await import('./where.ts');
    const api = await openCluster(program, config);
    await policyList(api, flags.allNamespaces === true ? undefined : api.namespace, flags);
    api.close();
  });
  outputOptions(
    policy
      .command('where')
      .argument('<policy>', 'NAME or NAME.NAMESPACE')
      .description('Show who enforces a policy: node proxies for which pods, which waypoints for which services'),
    '3 nobody enforces it',
  ).action(async (name: string, flags: OutputFlags) => {
    const { policyWhere } = await import('./where.ts');
    const api = await openCluster(program, config);
    await policyWhere(api, name, flags);
    api.close();
  });
  policy
    .command('simulate')
    .requiredOption('-f, --filename <file>', 'policies as they would be; repeatable', collect)
    .option('--delete <policy>', 'NAME.NAMESPACE that would be gone; repeatable', collect)
    .option(
      '--recording <file>',
      'connections to replay, one JSON object per line: {from, to, port, method, path}, or lines of tap -o jsonl; default: every workload to every service port',
    )
    .addOption(
      new Option(
        '--since <duration>',
        'replay what the access logs of the proxies tell of this time, for example 24h, as far back as nodes keep them',
      ).conflicts('recording'),
    )
    .option('--method <method>', 'method of the requests that are tried', 'GET')
    .option('--path <path>', 'path of the requests that are tried', '/')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml']).default('text'))
    .description('Compare who may talk to whom now and with other policies')
    .addHelpText(
      'after',
      exitStatusHelp(
        '3 something would be newly denied',
        'With --since: get on pods/log of node proxies and waypoints.',
      ),
    )
    .action(async (flags: SimulateFlags) => {
      const { policySimulate } = await import('./simulate.ts');
      const api = await openCluster(program, config);
      process.exitCode = await policySimulate(api, flags);
      api.close();
    });
  policy
    .command('diff')
    .requiredOption('--old <file>', 'policies before; repeatable', collect)
    .requiredOption('--new <file>', 'policies after; repeatable', collect)
    .option('--method <method>', 'method of the requests that are tried', 'GET')
    .option('--path <path>', 'path of the requests that are tried', '/')
    .addOption(new Option('-o, --output <format>', 'form').choices(['text', 'json', 'yaml']).default('text'))
    .description('Compare what two revisions of policies mean for the workloads of the cluster')
    .addHelpText('after', exitStatusHelp('3 something would be newly denied'))
    .action(async (flags: Omit<SimulateFlags, 'filename'> & { old: readonly string[]; new: readonly string[] }) => {
      const { policySimulate } = await import('./simulate.ts');
      const api = await openCluster(program, config);
      process.exitCode = await policySimulate(api, { ...flags, filename: flags.new });
      api.close();
    });
  policy
    .command('suggest')
    .description('Print policies that admit whoever has connected to the workloads of a namespace, and nobody else')
    .addHelpText('after', exitStatusHelp('Needs create on pods/portforward in the namespace of the mesh.'))
    .action(async () => {
      const { policySuggest } = await import('./suggest.ts');
      const api = await openCluster(program, config);
      await policySuggest(api, api.namespace);
      api.close();
    });
  policy
    .command('test')
    .requiredOption(
      '-f, --filename <file>',
      'cases: a list of {name, from, to, port, method, path, expect: allow|deny}',
    )
    .option('--objects <file>', 'objects to decide with instead of those of the cluster; repeatable', collect)
    .description('Check that policies decide as a table says; with --objects without a cluster')
    .addHelpText('after', exitStatusHelp('3 a case is decided otherwise'))
    .action(async (flags: { filename: string; objects?: readonly string[] }) => {
      const { policyTest } = await import('./test-cases.ts');
      process.exitCode = await policyTest(async () => openCluster(program, config), flags);
    });
}
