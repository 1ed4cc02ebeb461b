// `ambit proxy status|config|log` (also `proxy-status`, `ps`): proxies as the control plane sees them, and what a waypoint knows.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

/** Adds `proxy` and `proxy-status`. */
export function addProxyCommand(program: Command, config: CliConfig): void {
  const proxy = program
    .command('proxy')
    .description('Proxies: connected to which control plane, and with which configuration');
  const status = (command: Command): Command =>
    outputOptions(
      command.argument('[pod]').description('Show whether proxies have what they were sent'),
      '3 a proxy refused something',
    ).action(async (pod: string | undefined, flags: OutputFlags) => {
      const { proxyStatus } = await import('./status.ts');
      const api = await openCluster(program, config);
      await proxyStatus(api, pod, flags);
      api.close();
    });
  status(proxy.command('status'));
  status(program.command('proxy-status').alias('ps'));
  proxy
    .command('config')
    .alias('dump')
    .argument('<waypoint>', 'a waypoint, or one of its pods')
    .argument('[part]', 'listeners, frontends, routeTables, backends, policies, services or workloads')
    .description('Print what a waypoint knows')
    .option('-o, --output <format>', 'json, yaml or jsonpath=TEMPLATE', 'json')
    .action(async (name: string, part: string | undefined, flags: { output: string }) => {
      const { waypointConfig } = await import('./config.ts');
      const api = await openCluster(program, config);
      await waypointConfig(api, name, part, flags.output);
      api.close();
    });
  proxy
    .command('log')
    .argument('<waypoint>', 'a waypoint, or one of its pods')
    .option('--level <levels>', 'LEVEL or SCOPE:LEVEL, separated by commas')
    .description('Show or change the log levels of a waypoint at run time')
    .action(async (name: string, flags: { level?: string }) => {
      const { waypointLog } = await import('./config.ts');
      const api = await openCluster(program, config);
      await waypointLog(api, name, flags.level);
      api.close();
    });
}
