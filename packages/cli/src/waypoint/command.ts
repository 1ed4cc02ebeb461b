// `ambit waypoint generate|apply|list|status|delete`: the L7 gateway of a namespace. Names and flags as users know them.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

const traffic = (): Option =>
  new Option('--for <type>', 'traffic that goes through it').choices(['service', 'workload', 'all', 'none']);

/** Adds `waypoint` and its subcommands. */
export function addWaypointCommand(program: Command, config: CliConfig): void {
  const waypoint = program.command('waypoint').description('L7 gateways of namespaces');
  waypoint
    .command('generate')
    .description('Print the Gateway object of a waypoint')
    .option('--name <name>', 'name of the waypoint', 'waypoint')
    .option('-n, --namespace <namespace>', 'namespace', 'default')
    .addOption(traffic())
    .action(async (options: { name: string; namespace: string; for?: string }) => {
      const { stringify } = await import('yaml');
      const { waypointGateway } = await import('./gateway.ts');
      process.stdout.write(stringify(waypointGateway(options)));
    });
  waypoint
    .command('apply')
    .description('Deploy a waypoint')
    .option('--name <name>', 'name of the waypoint', 'waypoint')
    .option('-n, --namespace <namespace>', 'namespace', 'default')
    .option('--enroll-namespace', 'send the traffic of the whole namespace through it')
    .option('--overwrite', 'replace another waypoint that the namespace uses')
    .option('-w, --wait', 'wait until it is ready')
    .option('--waypoint-timeout <seconds>', 'how long to wait', '90')
    .addOption(traffic())
    .action(async (options: WaypointApplyFlags) => {
      const { waypointApply } = await import('./apply.ts');
      await waypointApply(await openCluster(program, config), {
        ...options,
        timeoutMs: Number(options.waypointTimeout) * 1000,
      });
    });
  for (const verb of ['list', 'status'] as const) {
    waypoint
      .command(verb)
      .description(verb === 'list' ? 'List waypoints' : 'Show whether waypoints are ready')
      .option('-n, --namespace <namespace>', 'namespace', 'default')
      .option('-A, --all-namespaces', 'all namespaces')
      .action(async (options: { namespace: string; allNamespaces?: boolean }) => {
        const { waypointList } = await import('./list.ts');
        await waypointList(
          await openCluster(program, config),
          options.allNamespaces === true ? undefined : options.namespace,
          verb,
        );
      });
  }
  waypoint
    .command('delete')
    .argument('[names...]')
    .description('Delete waypoints')
    .option('-n, --namespace <namespace>', 'namespace', 'default')
    .option('--all', 'all waypoints of the namespace')
    .option('--unenroll', 'remove labels that point at them first')
    .action(async (names: readonly string[], options: { namespace: string; all?: boolean; unenroll?: boolean }) => {
      const { waypointDelete } = await import('./delete.ts');
      await waypointDelete(await openCluster(program, config), names, options);
    });
}

interface WaypointApplyFlags {
  readonly name: string;
  readonly namespace: string;
  readonly for?: string;
  readonly enrollNamespace?: boolean;
  readonly overwrite?: boolean;
  readonly wait?: boolean;
  readonly waypointTimeout: string;
}
