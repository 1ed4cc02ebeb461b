// `ambit install|upgrade|uninstall` and `manifest generate|diff`: the mesh's own objects.
import type { Command } from 'commander';
import { openCluster, settingsOf } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type PlanFlags, planOptions } from '../output/confirm.ts';
import { exitStatus, exitStatusHelp } from '../output/exit-status.ts';
import type { InstallFlags } from './wishes.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

const wishOptions = (command: Command): Command =>
  command
    .option('-f, --filename <file>', 'IstioOperator file or values file; repeatable, later ones win', collect)
    .option('-s, --set <path=value>', 'one value; repeatable', collect)
    .option('-r, --revision <revision>', 'revision of the control plane')
    .option('--profile <profile>', 'ambient or production')
    .option('--hub <prefix>', 'image prefix')
    .option('--tag <tag>', 'image tag');

interface ApplyFlags extends InstallFlags, PlanFlags {
  readonly readinessTimeout: string;
  readonly replaceWaypoints?: boolean;
}

interface AgentFlags extends PlanFlags {
  readonly batch: string;
  readonly nodes?: string;
  readonly pauseOnRegression?: boolean;
  readonly resume?: boolean;
  readonly rollback?: boolean;
  readonly tag?: string;
  readonly timeout: string;
}

const seconds = (text: string): number => Number(text.endsWith('s') ? text.slice(0, -1) : text) * 1000;

/** Adds the installation commands. */
export function addInstallCommands(program: Command, config: CliConfig): void {
  const applying = (name: string, description: string): Command =>
    planOptions(wishOptions(program.command(name).description(description)))
      .option('-o, --output <format>', 'form of the plan: table, json or yaml')
      .option('--replace-waypoints', 'deploy waypoints of another implementation anew')
      .option('--readiness-timeout <seconds>', 'how long to wait until it runs', '300')
      .addHelpText('after', exitStatusHelp('3 refused', '4 not running in time', '65 values or a file cannot be used'));
  applying('install', 'Install the mesh into a cluster')
    .alias('apply')
    .action(async (flags: ApplyFlags) => {
      const [{ install }, { installWishes }] = await Promise.all([import('./install.ts'), import('./wishes.ts')]);
      const api = await openCluster(program, config);
      await install(api, await installWishes(flags, api.istioNamespace), {
        ...flags,
        timeoutMs: seconds(flags.readinessTimeout),
      });
      api.close();
    });
  const upgrade = applying(
    'upgrade',
    'Upgrade the mesh in a cluster: control plane, node agents, node proxies, in this order',
  ).action(async (flags: ApplyFlags) => {
    const { upgradeMesh } = await import('../upgrade/mesh.ts');
    const api = await openCluster(program, config);
    await upgradeMesh(api, flags, seconds(flags.readinessTimeout));
    api.close();
  });
  planOptions(
    upgrade.command('agent').description('Replace the node proxies node by node, and stop when connections fail'),
  )
    .option('--batch <count>', 'nodes at once: a number or a percentage', '1')
    .option('--nodes <selector>', 'only nodes with these labels')
    .option('--pause-on-regression', 'stop when connections fail more often than before')
    .option('--resume', 'go on where an earlier run stopped')
    .option('--rollback', 'go back to the version before')
    .option('--tag <tag>', 'image tag to go to; default: what the DaemonSet says')
    .option('--timeout <seconds>', 'how long a node may take', '180')
    .addHelpText('after', exitStatusHelp('3 paused: connections failed', '4 a node was not ready in time'))
    .action(async (_own: unknown, command: Command) => {
      // `upgrade` has options of the same names, and the parser hands them to it wherever they stand.
      const flags = command.optsWithGlobals<AgentFlags>();
      const { upgradeAgents } = await import('../upgrade/agents.ts');
      const api = await openCluster(program, config);
      await upgradeAgents(api, { ...flags, timeoutMs: seconds(flags.timeout) });
      api.close();
    });
  planOptions(
    wishOptions(
      program
        .command('uninstall')
        .description('Remove the mesh from a cluster; pods are released first, nothing is left'),
    ),
  )
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--purge', 'also remove definitions, the root certificate and the namespace')
    .addHelpText('after', exitStatusHelp('3 something is left'))
    .action(async (flags: InstallFlags & PlanFlags & { purge?: boolean }) => {
      const [{ uninstall }, { installWishes }] = await Promise.all([import('./uninstall.ts'), import('./wishes.ts')]);
      const api = await openCluster(program, config);
      const left = await uninstall(api, await installWishes(flags, api.istioNamespace), {
        ...flags,
        purge: flags.purge === true,
      });
      for (const name of left) process.stdout.write(`left: ${name}\n`);
      if (left.length > 0) process.exitCode = exitStatus.no;
      api.close();
    });
  const manifest = program.command('manifest').description('The objects of an installation');
  wishOptions(manifest.command('generate').description('Print them as YAML'))
    .option('-o, --output <file>', 'write them to a file')
    .action(async (flags: InstallFlags & { output?: string }) => {
      const [{ manifestGenerate }, { installWishes }] = await Promise.all([
        import('./manifest.ts'),
        import('./wishes.ts'),
      ]);
      await manifestGenerate(
        await installWishes(flags, (await settingsOf(program, config)).istioNamespace),
        flags.output,
      );
    });
  wishOptions(manifest.command('diff').description('Show how the cluster differs from them'))
    .addHelpText('after', exitStatusHelp('3 it differs'))
    .action(async (flags: InstallFlags) => {
      const [{ manifestDiff }, { installWishes }] = await Promise.all([import('./manifest.ts'), import('./wishes.ts')]);
      const api = await openCluster(program, config);
      await manifestDiff(api, await installWishes(flags, api.istioNamespace));
      api.close();
    });
}
