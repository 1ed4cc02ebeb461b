// `ambit mesh add|remove|status`: a namespace enters and leaves the mesh; who is captured, who is not and why.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

/** Adds `mesh` and its subcommands. */
export function addMeshCommand(program: Command, config: CliConfig): void {
  const mesh = program.command('mesh').description('Which namespaces are in the mesh');
  mesh
    .command('add')
    .argument('<namespace>')
    .description('Put the pods of a namespace into the mesh; nothing restarts')
    .option('--plan', 'only say what would happen')
    .option('--timeout <seconds>', 'how long to wait until every pod is captured', '60')
    .action(async (namespace: string, options: { plan?: boolean; timeout: string }) => {
      const { meshAdd } = await import('./add.ts');
      await meshAdd(await openCluster(program, config), namespace, {
        plan: options.plan === true,
        timeoutMs: Number(options.timeout) * 1000,
      });
    });
  mesh
    .command('remove')
    .argument('<namespace>')
    .description('Take the pods of a namespace out of the mesh; nothing restarts')
    .option('--timeout <seconds>', 'how long to wait until no pod is captured', '60')
    .action(async (namespace: string, options: { timeout: string }) => {
      const { meshRemove } = await import('./remove.ts');
      await meshRemove(await openCluster(program, config), namespace, { timeoutMs: Number(options.timeout) * 1000 });
    });
  mesh
    .command('status')
    .argument('[namespace]')
    .description('Show the captured pods of a namespace, or of all')
    .option('-o, --output <format>', 'table or json', 'table')
    .action(async (namespace: string | undefined, options: { output: string }) => {
      const { meshStatus } = await import('./status.ts');
      await meshStatus(await openCluster(program, config), namespace, options.output);
    });
}
