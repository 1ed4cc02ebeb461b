// `ambit cert list|verify`: identities and their certificates, as node proxies hold them and as a live peer shows them.
import type { Command } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { type OutputFlags, outputOptions } from '../output/print-listing.ts';

/** Adds `cert` and its subcommands. */
export function addCertCommand(program: Command, config: CliConfig): void {
  const cert = program.command('cert').description('Identities and their certificates');
  outputOptions(
    cert.command('list').description('List the certificates of all node proxies, those that end first at the top'),
    '3 an identity has no valid certificate',
  ).action(async (flags: OutputFlags) => {
    const { certList } = await import('./list.ts');
    const api = await openCluster(program, config);
    process.exitCode = await certList(api, flags);
    api.close();
  });
  outputOptions(
    cert
      .command('verify')
      .argument('<reference>', 'a captured workload or a waypoint: pod, deploy/x, svc/x, gateway/x, an address')
      .description(
        'Connect to the tunnel port of each pod and check the certificate it shows against the root of the mesh',
      ),
    '3 a pod shows a certificate that cannot be trusted, another identity, or none',
    'Needs create on pods/portforward in the namespace of the pods.',
  ).action(async (reference: string, flags: OutputFlags) => {
    const { certVerify } = await import('./verify.ts');
    const api = await openCluster(program, config);
    process.exitCode = await certVerify(api, reference, flags);
    api.close();
  });
}
