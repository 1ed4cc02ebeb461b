// `ambit logs` and `ambit bug-report`: what a workload's traffic left in the logs, and everything for a report.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

/** Adds `logs` and `bug-report`. */
export function addLogsCommands(program: Command, config: CliConfig): void {
  program
    .command('logs')
    .argument('<workload>', 'a pod, deploy/x, svc/x, sa/x')
    .description('Print the logs of a workload, of the node proxies and of the waypoints about it, in order of time')
    .option('--since <duration>', 'how far back', '10m')
    .option('--connection <id>', 'only lines of this connection id')
    .option('--denied', 'only lines about policies')
    .action(async (workload: string, flags: { since: string; connection?: string; denied?: boolean }) => {
      const [{ workloadLogs }, { durationMs }] = await Promise.all([
        import('./workload.ts'),
        import('../output/duration.ts'),
      ]);
      const api = await openCluster(program, config);
      await workloadLogs(api, workload, flags, Math.ceil(durationMs(flags.since) / 1000));
      api.close();
    });
  program
    .command('bug-report')
    .description('Collect objects, logs and dumps of the mesh into a folder; Secrets and tokens are left out')
    .option('--output-dir <folder>', 'where to', 'ambit-bug-report')
    .option('--since <duration>', 'how far back logs go', '1h')
    .option('--dry-run', 'only say what would be collected')
    .action(async (flags: { outputDir: string; since: string; dryRun?: boolean }) => {
      const [{ bugReport }, { durationMs }] = await Promise.all([
        import('./bug-report.ts'),
        import('../output/duration.ts'),
      ]);
      const api = await openCluster(program, config);
      await bugReport(api, { ...flags, sinceSeconds: Math.ceil(durationMs(flags.since) / 1000) });
      api.close();
    });
}
