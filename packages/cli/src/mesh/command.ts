// `ambit mesh add|remove|status`: a namespace enters and leaves the mesh; who is captured, who is not and why.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type PlanFlags, planOptions } from '../output/confirm.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

/** Adds `mesh` and its subcommands. */
export function addMeshCommand(program: Command, config: CliConfig): void {
  const mesh = program.command('mesh').description('Which namespaces are in the mesh');
  planOptions(
    mesh
      .command('add')
      .argument('<namespace>')
      .description('Put the pods of a namespace into the mesh; nothing restarts'),
  )
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--only-pod <selector>', 'label these pods instead of the namespace')
    .option('--no-wait', 'do not wait until every pod is captured')
    .option('--timeout <seconds>', 'how long to wait', '60')
    .addHelpText('after', exitStatusHelp('3 the namespace cannot be captured', '4 not all pods were captured in time'))
    .action(async (namespace: string, options: PlanFlags & { onlyPod?: string; wait: boolean; timeout: string }) => {
      const { meshAdd } = await import('./add.ts');
      const api = await openCluster(program, config);
      await meshAdd(api, namespace, {
        ...options,
        timeoutMs: Number(options.timeout) * 1000,
        istioNamespace: api.istioNamespace,
      });
    });
  planOptions(
    mesh
      .command('remove')
      .argument('<namespace>')
      .description('Take the pods of a namespace out of the mesh; nothing restarts'),
  )
    .option('-o, --output <format>', 'form of the plan: table, json or yaml')
    .option('--timeout <seconds>', 'how long to wait until no pod is captured', '60')
    .addHelpText('after', exitStatusHelp('4 not all pods were released in time'))
    .action(async (namespace: string, options: PlanFlags & { timeout: string }) => {
      const { meshRemove } = await import('./remove.ts');
      await meshRemove(await openCluster(program, config), namespace, {
        ...options,
        timeoutMs: Number(options.timeout) * 1000,
      });
    });
  outputOptions(
    mesh.command('status').argument('[namespace]').description('Show the captured pods of a namespace, or of all'),
  ).action(async (namespace: string | undefined, flags: OutputFlags) => {
    const { meshStatus } = await import('./status.ts');
    await meshStatus(await openCluster(program, config), namespace, flags);
  });
}
