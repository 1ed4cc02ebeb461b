// In: settings. Out: the command tree (spec user-tools 2.5). Called by main.ts; completion walks the same tree.
import { Command, Option } from 'commander';
import { basename } from 'node:path';
import { addAgentCommand } from './agent/command.ts';
import { addAnalyzeCommands } from './analyze/command.ts';
import { addCheckCommand } from './check/command.ts';
import { addCompletionCommand } from './completion/command.ts';
import type { CliConfig } from './config.ts';
import { addDemoCommand } from './demo/command.ts';
import { addExplainCommand } from './explain/command.ts';
import { addHelpCommand } from './help/command.ts';
import { addInstallCommands } from './install/command.ts';
import { addLocalCommand } from './local/command.ts';
import { addLogsCommands } from './logs/command.ts';
import { addMeshCommand } from './mesh/command.ts';
import { addNodeCommand } from './node/command.ts';
import { addPolicyCommand } from './policy/command.ts';
import { addProxyCommand } from './proxy/command.ts';
import { addTagCommand } from './tag/command.ts';
import { addVersionCommand } from './version/command.ts';
import { addWaypointCommand } from './waypoint/command.ts';

/** Names under which the program is started as a plug-in of kubectl. */
const pluginNames = ['kubectl-mesh', 'kubectl_complete-mesh'];

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** The whole command tree. `script` is the path that the program was started with. */
export function buildProgram(config: CliConfig, script: string): Command {
  const isPlugin = pluginNames.includes(basename(script));
  const program = new Command(isPlugin ? 'kubectl mesh' : 'ambit')
    .description(
      'Ambient service mesh: mTLS with workload identities by a label, L7 by a waypoint, no sidecars, no restarts.',
    )
    .option('-c, --kubeconfig <file>', 'kubeconfig to use instead of $KUBECONFIG or ~/.kube/config')
    .option('--context <name>', 'context of the kubeconfig')
    .option('-n, --namespace <namespace>', 'namespace; default: what the context says, else default')
    .option('-i, --istioNamespace <namespace>', 'namespace of the mesh; default istio-system')
    .option('--as <user>', 'user to act as')
    .addOption(new Option('--as-group <group>', 'group to act as; repeatable').argParser(collect))
    .option('-v, --verbose', 'print stack traces of errors')
    .addOption(
      new Option('--compat <program>', 'accepted for scripts that were written for it')
        .choices(['istioctl'])
        .hideHelp(),
    )
    .showHelpAfterError('try: ambit --help')
    .helpCommand(false)
    .exitOverride();

  addInstallCommands(program, config);
  addVersionCommand(program, config);
  addCheckCommand(program, config);
  addMeshCommand(program, config);
  addWaypointCommand(program, config);
  addNodeCommand(program, config);
  addAgentCommand(program, config);
  addProxyCommand(program, config);
  addTagCommand(program, config);
  addAnalyzeCommands(program, config);
  addExplainCommand(program, config);
  addPolicyCommand(program, config);
  addLogsCommands(program, config);
  addLocalCommand(program, config);
  addDemoCommand(program, config);
  addCompletionCommand(program, config);
  addHelpCommand(program);
  return program;
}
