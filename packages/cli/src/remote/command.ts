// `ambit create-remote-secret` and `ambit remote-clusters`: several clusters in one mesh.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { exitStatusHelp } from '../output/exit-status.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';
import type { RemoteSecretFlags } from './secret.ts';

/** Adds the commands. */
export function addRemoteCommands(program: Command, config: CliConfig): void {
  program
    .command('create-remote-secret')
    .description('Print a Secret that lets the control plane of another cluster read this one; apply it there')
    .option('--name <name>', 'name of this cluster in the mesh; default: the uid of its namespace kube-system')
    .option(
      '--server <url>',
      'address of the API server as the other cluster reaches it; default: what the kubeconfig says',
    )
    .option('--service-account <name>', 'whom the other cluster reads as', 'istio-reader-service-account')
    .option('--timeout <duration>', 'how long to wait for the token of the account', '20s')
    .addHelpText('after', exitStatusHelp('2 the account does not exist', '4 its token did not come in time'))
    .action(async (flags: RemoteSecretFlags) => {
      const { printRemoteSecret } = await import('./secret.ts');
      const api = await openCluster(program, config);
      await printRemoteSecret(api, flags);
      api.close();
    });
  outputOptions(
    program
      .command('remote-clusters')
      .description('List the other clusters that each control plane reads, and how far it got'),
    '3 a cluster is not synced',
  ).action(async (flags: OutputFlags) => {
    const { remoteClusters } = await import('./list.ts');
    const api = await openCluster(program, config);
    await remoteClusters(api, flags);
    api.close();
  });
}
