// `ambit tap`, `ambit top`, `ambit edges` and `ambit metrics`: traffic as it happens.
import { Argument, type Command, Option } from 'commander';
import { type GlobalOptions, openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { endOf } from '../output/end-of.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';
import type { TapFilter } from './tap.ts';
import type { TopView } from './top.ts';

const views: readonly TopView[] = ['edges', 'services', 'workloads', 'agents', 'policies'];

type TapFlags = TapFilter & {
  readonly output: 'table' | 'jsonl';
  readonly maxRps: string;
  readonly for?: string;
  readonly logs?: boolean;
};
type TopFlags = OutputFlags & {
  readonly interval: string;
  readonly once?: boolean;
  readonly flows?: boolean;
  readonly sort: 'rate' | 'errors' | 'bytes';
  readonly to?: string;
};

/** Adds the commands. */
export function addTrafficCommands(program: Command, config: CliConfig): void {
  program
    .command('tap')
    .description('Show connections and requests as they end; -n for those of one namespace')
    .option('--from <name>', 'only from sources whose name contains this')
    .option('--to <name>', 'only to destinations or services whose name contains this')
    .option('--denied', 'only what a policy refused')
    .option('--error', 'only what failed')
    .option('--l4', 'only connections')
    .option('--l7', 'only requests')
    .option('--method <method>', 'only requests with this method')
    .option('--path <prefix>', 'only requests whose path begins so')
    .option('--status <status>', 'only requests with this status, or class such as 5xx')
    .option('--max-rps <count>', 'at most so many lines a second', '100')
    .option('--for <duration>', 'how long, for example 30s; default: until Ctrl-C')
    .option('--logs', 'follow the access logs of the proxies instead of asking the control plane')
    .addOption(new Option('-o, --output <format>', 'form').choices(['table', 'jsonl']).default('table'))
    .addHelpText(
      'after',
      exitStatusHelp(
        '3 you may not watch',
        'Needs watch on flows.telemetry.ambit.io, in the namespace of -n or in all, and create on pods/portforward in that of the mesh.',
        'A kubeconfig without a bearer token: create on serviceaccounts/token there instead of watch.',
        'With --logs: get on pods/log; waypoints write access logs where meshConfig or Telemetry says so.',
      ),
    )
    .action(async (flags: TapFlags) => {
      const [{ tap }, { durationMs }] = await Promise.all([import('./tap.ts'), import('../output/duration.ts')]);
      const api = await openCluster(program, config);
      const signal = endOf(flags.for === undefined ? undefined : durationMs(flags.for));
      const namespace = program.opts<GlobalOptions>().namespace ?? '';
      await tap(api, { ...flags, logs: flags.logs === true, namespace, maxPerSecond: Number(flags.maxRps) }, signal);
      api.close();
    });
  outputOptions(
    program
      .command('metrics')
      .argument('<workload...>', 'reviews-v1, reviews-v1.shop, deploy/reviews-v1 or svc/reviews')
      .description(
        'Print requests per second, errors and times of workloads and services, as waypoints and gateways count them',
      ),
    'Needs create on pods/portforward in the namespaces of the proxies.',
  )
    .option('-d, --duration <duration>', 'how long to look', '5s')
    .action(async (names: readonly string[], flags: OutputFlags & { readonly duration: string }) => {
      const [{ metrics }, { durationMs }] = await Promise.all([
        import('./metrics.ts'),
        import('../output/duration.ts'),
      ]);
      const api = await openCluster(program, config);
      await metrics(api, names, { ...flags, intervalMs: durationMs(flags.duration) }, endOf(undefined));
      api.close();
    });
  for (const [name, description] of [
    ['top', 'Show who talks to whom, how often and how badly, or what is busiest; redrawn until Ctrl-C on a terminal'],
    ['edges', 'Show once who talks to whom, how often and how badly'],
  ] as const) {
    const command = program.command(name).description(description);
    if (name === 'top')
      command
        .addArgument(new Argument('[what]', 'what to look at').choices(views).default('edges'))
        .option('--once', 'look once, also on a terminal');
    outputOptions(
      command,
      'Needs create on pods/portforward in the namespaces of the proxies.',
      'With --flows, and for policies: what tap needs, and nothing in other namespaces; connections count when they end.',
    )
      .option('--interval <duration>', 'how long to look', '5s')
      .option('--to <namespace>', 'only what leads into this namespace')
      .option('--flows', 'count what the control plane streams (edges only), instead of reading counters')
      .addOption(new Option('--sort <by>', 'order').choices(['rate', 'errors', 'bytes']).default('rate'))
      .action(async (...given: readonly unknown[]) => {
        const flags = given.at(name === 'top' ? 1 : 0) as TopFlags;
        const view = name === 'top' ? (given[0] as TopView) : 'edges';
        const [{ top }, { durationMs }] = await Promise.all([import('./top.ts'), import('../output/duration.ts')]);
        const api = await openCluster(program, config);
        const once = name === 'edges' || flags.once === true;
        const namespace = flags.to === undefined ? {} : { namespace: flags.to };
        await top(
          api,
          { ...flags, ...namespace, view, once, intervalMs: durationMs(flags.interval) },
          endOf(undefined),
        );
        api.close();
      });
  }
}
