// `ambit waypoint ...`: the L7 gateway of a namespace. Names and flags as users know them.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { openCluster, settingsOf } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type PlanFlags, planOptions } from '../output/confirm.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';
import type { CanaryOptions } from './canary.ts';

interface WaypointFlags extends PlanFlags {
  readonly name: string;
  readonly for?: string;
  readonly revision?: string;
  readonly min?: number;
  readonly max?: number;
  readonly cpuTarget?: number;
  readonly pdb?: number;
  readonly enrollNamespace?: boolean;
  readonly overwrite?: boolean;
  readonly wait?: boolean;
  readonly fixL4?: boolean;
  readonly waypointTimeout: string;
}

function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('a whole number.');
  return number;
}

const wishes = (command: Command): Command =>
  command
    .option('--name <name>', 'name of the waypoint', 'waypoint')
    .addOption(
      new Option('--for <type>', 'traffic that goes through it').choices(['service', 'workload', 'all', 'none']),
    )
    .option('-r, --revision <revision>', 'control plane revision or tag that serves it')
    .option('--min <count>', 'fewest replicas', count)
    .option('--max <count>', 'most replicas', count)
    .option('--cpu-target <percent>', 'CPU use at which replicas are added', count)
    .option('--pdb <count>', 'pods that must stay when nodes are drained', count);

/** Adds `waypoint` and its subcommands. */
export function addWaypointCommand(program: Command, config: CliConfig): void {
  const waypoint = program.command('waypoint').description('L7 gateways of namespaces');
  const open = async () => openCluster(program, config);
  wishes(waypoint.command('generate').description('Print the objects of a waypoint')).action(
    async (flags: WaypointFlags) => {
      const [{ stringify }, { scalingOptions, waypointGateway }] = await Promise.all([
        import('yaml'),
        import('./gateway.ts'),
      ]);
      const options = { ...flags, namespace: (await settingsOf(program, config)).namespace ?? 'default' };
      const scaling = scalingOptions(options);
      process.stdout.write(
        [...(scaling === undefined ? [] : [scaling]), waypointGateway(options)]
          .map((object) => stringify(object))
          .join('---\n'),
      );
    },
  );
  planOptions(wishes(waypoint.command('apply').description('Deploy a waypoint')))
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--enroll-namespace', 'send the traffic of the whole namespace through it')
    .option('--overwrite', 'replace another waypoint that the namespace uses')
    .option('-w, --wait', 'wait until it is ready (default on a terminal)')
    .option('--no-wait', 'do not wait')
    .option('--fix-l4', 'admit the waypoint in L4 policies that would refuse it')
    .option('--waypoint-timeout <seconds>', 'how long to wait', '90')
    .addHelpText(
      'after',
      exitStatusHelp('3 the namespace uses another waypoint', '4 the waypoint was not ready in time'),
    )
    .action(async (flags: WaypointFlags) => {
      const { waypointApply } = await import('./apply.ts');
      const api = await open();
      await waypointApply(api, {
        ...flags,
        wait: flags.wait ?? process.stdout.isTTY,
        namespace: api.namespace,
        istioNamespace: api.istioNamespace,
        timeoutMs: Number(flags.waypointTimeout) * 1000,
      });
    });
  outputOptions(
    waypoint.command('list').description('List waypoints').option('-A, --all-namespaces', 'all namespaces'),
  ).action(async (flags: OutputFlags & { allNamespaces?: boolean }) => {
    const { waypointList } = await import('./list.ts');
    const api = await open();
    await waypointList(api, flags.allNamespaces === true ? undefined : api.namespace, flags);
  });
  outputOptions(
    waypoint
      .command('status')
      .description('Show whether waypoints are ready')
      .option('-A, --all-namespaces', 'all namespaces'),
    '3 a waypoint is not ready',
  )
    .option('-w, --wait', 'wait until they are ready')
    .option('--waypoint-timeout <seconds>', 'how long to wait', '90')
    .action(async (flags: OutputFlags & { allNamespaces?: boolean; wait?: boolean; waypointTimeout: string }) => {
      const { waypointStatus } = await import('./list.ts');
      const api = await open();
      await waypointStatus(api, flags.allNamespaces === true ? undefined : api.namespace, {
        ...flags,
        ...(flags.wait === true ? { waitMs: Number(flags.waypointTimeout) * 1000 } : {}),
      });
    });
  planOptions(waypoint.command('delete').argument('[names...]').description('Delete waypoints'))
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--all', 'all waypoints of the namespace')
    .option('--unenroll', 'remove labels that point at them first')
    .option('--no-wait', 'do not wait until their workloads end')
    .option('--waypoint-timeout <seconds>', 'how long to wait', '90')
    .addHelpText('after', exitStatusHelp('3 still in use, or not found', '4 their workloads did not end in time'))
    .action(
      async (
        names: readonly string[],
        flags: PlanFlags & { all?: boolean; unenroll?: boolean; wait: boolean; waypointTimeout: string },
      ) => {
        const { waypointDelete } = await import('./delete.ts');
        const api = await open();
        const waitMs = flags.wait ? Number(flags.waypointTimeout) * 1000 : 0;
        await waypointDelete(api, names, { ...flags, namespace: api.namespace, waitMs });
      },
    );
  outputOptions(
    waypoint.command('plan').description('Show which services go through a waypoint, and what goes around it'),
    '3 something goes around the waypoint that it names',
  ).action(async (flags: OutputFlags) => {
    const { waypointPlan } = await import('./plan.ts');
    const api = await open();
    await waypointPlan(api, api.namespace, { ...flags, istioNamespace: api.istioNamespace });
  });
  waypoint
    .command('explain')
    .argument('<object>', 'svc/NAME or pod/NAME')
    .description('Show which waypoint an object uses and which label decided')
    .addHelpText('after', exitStatusHelp('3 it goes around the waypoint that it names'))
    .action(async (object: string) => {
      const { waypointExplain } = await import('./plan.ts');
      const api = await open();
      await waypointExplain(api, object, api.namespace);
    });
  planOptions(
    waypoint
      .command('require')
      .description('Admit only the waypoint to the pods of the namespace, so that nobody goes around it'),
  )
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--remove', 'take that policy away again')
    .addHelpText('after', exitStatusHelp('3 the waypoint is not ready'))
    .action(async (flags: PlanFlags & { remove?: boolean }) => {
      const { waypointRequire } = await import('./require.ts');
      const api = await open();
      await waypointRequire(api, api.namespace, { ...flags, istioNamespace: api.istioNamespace });
    });
  planOptions(waypoint.command('canary').description('Send a share of new connections through a second waypoint'))
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--to <name>', 'the second waypoint')
    .option('--weight <percent>', 'its share', '10')
    .option('--service <name>', 'only for this service')
    .option('--promote', 'make the second waypoint the waypoint')
    .option('--abort', 'take the second waypoint away')
    .addHelpText('after', exitStatusHelp('3 the second waypoint is not ready'))
    .action(async (flags: CanaryOptions) => {
      const { waypointCanary } = await import('./canary.ts');
      const api = await open();
      await waypointCanary(api, api.namespace, flags);
    });
}
