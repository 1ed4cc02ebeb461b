// In: the command line. Out: the command's exit status. Commands are loaded when they are called, so that `ambit version` stays fast.
import { Command, CommanderError } from 'commander';
import { addCheckCommand } from './check/command.ts';
import { readCliConfig } from './config.ts';
import { addDemoCommand } from './demo/command.ts';
import { addInstallCommands } from './install/command.ts';
import { addLocalCommand } from './local/command.ts';
import { addMeshCommand } from './mesh/command.ts';
import { printFailure } from './output/failure.ts';
import { addVersionCommand } from './version/command.ts';
import { addWaypointCommand } from './waypoint/command.ts';

const program = new Command('ambit')
  .description(
    'Ambient service mesh: mTLS with workload identities by a label, L7 by a waypoint, no sidecars, no restarts.',
  )
  .option('--kubeconfig <file>', 'kubeconfig to use instead of $KUBECONFIG or ~/.kube/config')
  .option('--context <name>', 'context of the kubeconfig')
  .option('-i, --istioNamespace <namespace>', 'namespace of the mesh', 'istio-system')
  .showHelpAfterError('try: ambit --help')
  .exitOverride();

const config = readCliConfig(process.env);
addDemoCommand(program, config);
addLocalCommand(program, config);
addInstallCommands(program, config);
addMeshCommand(program, config);
addWaypointCommand(program, config);
addCheckCommand(program, config);
addVersionCommand(program, config);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    printFailure(error);
    process.exitCode = 1;
  }
}
