// `ambit node list|status|drain|logs`: the daemons of the nodes.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type PlanFlags, planOptions } from '../output/confirm.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

/** Adds `node` and its subcommands. */
export function addNodeCommand(program: Command, config: CliConfig): void {
  const node = program.command('node').description('Node proxies and node agents, node by node');
  for (const [name, argument, description] of [
    ['list', undefined, 'Show the daemons of all nodes'],
    ['status', '<node>', 'Show the daemons of one node'],
  ] as const) {
    const command = node.command(name).description(description);
    if (argument !== undefined) command.argument(argument);
    outputOptions(command, '3 a daemon is missing or not ready').action(async (...words: unknown[]) => {
      const { nodeList } = await import('./nodes.ts');
      const [first, second] = words;
      const api = await openCluster(program, config);
      if (typeof first === 'string') await nodeList(api, first, second as OutputFlags);
      else await nodeList(api, undefined, first as OutputFlags);
      api.close();
    });
  }
  planOptions(
    node
      .command('drain')
      .argument('<node>')
      .description('Replace the node proxy of a node; what the old one carries goes on until it ends'),
  )
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--timeout <seconds>', 'how long to wait until the old one has ended', '360')
    .addHelpText('after', exitStatusHelp('4 the old one had not ended in time'))
    .action(async (name: string, flags: PlanFlags & { timeout: string }) => {
      const { nodeDrain } = await import('./drain.ts');
      const api = await openCluster(program, config);
      await nodeDrain(api, name, { ...flags, timeoutMs: Number(flags.timeout) * 1000 });
      api.close();
    });
  node
    .command('logs')
    .argument('<node>')
    .description('Print the logs of the node proxy and the node agent of a node')
    .option('--since <seconds>', 'only the last seconds')
    .option('--previous', 'of the containers before the last restart')
    .action(async (name: string, flags: { since?: string; previous?: boolean }) => {
      const { nodeLogs } = await import('./nodes.ts');
      const api = await openCluster(program, config);
      await nodeLogs(api, name, flags);
      api.close();
    });
}
