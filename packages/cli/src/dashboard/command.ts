// `ambit dashboard NAME`: programs beside the mesh, and admin pages of the mesh, in the browser. Names and flags of istioctl.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { dashboardTargets } from './targets.ts';

interface DashboardFlags {
  readonly address: string;
  readonly port: string;
  readonly browser: boolean;
}

/** Adds `dashboard` and its subcommands. */
export function addDashboardCommand(program: Command, config: CliConfig): void {
  const dashboard = program
    .command('dashboard')
    .aliases(['dash', 'd'])
    .description('Open Grafana, Kiali, Prometheus, ... or admin pages of the mesh, through the API server');
  const common = (command: Command): Command =>
    command
      .option('--address <address>', 'address of this machine to listen on', '127.0.0.1')
      .option('-p, --port <port>', 'port of this machine; 0 = any', '0')
      .option('--no-browser', 'only print the address')
      .addHelpText('after', exitStatusHelp('2 it is not installed', 'Needs create on pods/portforward.'));
  const untilStopped = (): AbortSignal => {
    const stop = new AbortController();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
    return stop.signal;
  };
  const optionsOf = (flags: DashboardFlags) => ({
    address: flags.address,
    port: Number(flags.port),
    browser: flags.browser && process.stdout.isTTY,
  });
  for (const [name, target] of Object.entries(dashboardTargets)) {
    common(dashboard.command(name).description(target.description)).action(async (flags: DashboardFlags) => {
      const { openDashboard } = await import('./open-dashboard.ts');
      const api = await openCluster(program, config);
      await openDashboard(api, name, target, optionsOf(flags), untilStopped());
      api.close();
    });
  }
  common(
    dashboard
      .command('proxy')
      .alias('envoy')
      .argument('<reference>')
      .description('Admin pages of a waypoint or node proxy'),
  ).action(async (reference: string, flags: DashboardFlags) => {
    const { openProxyDashboard } = await import('./open-dashboard.ts');
    const api = await openCluster(program, config);
    await openProxyDashboard(api, reference, optionsOf(flags), untilStopped());
    api.close();
  });
}
