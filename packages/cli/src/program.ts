// In: settings. Out: the command tree (spec user-tools 2.5). Called by main.ts; completion walks the same tree.
import { Command, Option } from 'commander';
import { basename } from 'node:path';
import type { CliConfig } from './config.ts';

/** Names under which the program is started as a plug-in of kubectl. */
const pluginNames = ['kubectl-mesh', 'kubectl_complete-mesh'];

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

interface CommandGroup {
  /** First words of the command line that belong to it, aliases included. */
  readonly words: readonly string[];
  readonly load: () => Promise<(program: Command, config: CliConfig) => void>;
}

/** In the order of the help. Reading all of them costs more than most commands do, so only what is asked for is loaded. */
const groups: readonly CommandGroup[] = [
  {
    words: ['install', 'apply', 'upgrade', 'uninstall', 'manifest'],
    load: async () => (await import('./install/command.ts')).addInstallCommands,
  },
  { words: ['version'], load: async () => (await import('./version/command.ts')).addVersionCommand },
  { words: ['check'], load: async () => (await import('./check/command.ts')).addCheckCommand },
  { words: ['mesh'], load: async () => (await import('./mesh/command.ts')).addMeshCommand },
  { words: ['waypoint'], load: async () => (await import('./waypoint/command.ts')).addWaypointCommand },
  { words: ['node'], load: async () => (await import('./node/command.ts')).addNodeCommand },
  { words: ['agent', 'ztunnel-config', 'zc'], load: async () => (await import('./agent/command.ts')).addAgentCommand },
  { words: ['cert'], load: async () => (await import('./cert/command.ts')).addCertCommand },
  { words: ['proxy', 'proxy-status', 'ps'], load: async () => (await import('./proxy/command.ts')).addProxyCommand },
  {
    words: ['create-remote-secret', 'remote-clusters'],
    load: async () => (await import('./remote/command.ts')).addRemoteCommands,
  },
  { words: ['tag'], load: async () => (await import('./tag/command.ts')).addTagCommand },
  { words: ['analyze', 'validate'], load: async () => (await import('./analyze/command.ts')).addAnalyzeCommands },
  { words: ['explain'], load: async () => (await import('./explain/command.ts')).addExplainCommand },
  { words: ['trace'], load: async () => (await import('./trace/command.ts')).addTraceCommand },
  { words: ['policy'], load: async () => (await import('./policy/command.ts')).addPolicyCommand },
  {
    words: ['tap', 'top', 'edges', 'metrics'],
    load: async () => (await import('./traffic/command.ts')).addTrafficCommands,
  },
  { words: ['logs', 'bug-report'], load: async () => (await import('./logs/command.ts')).addLogsCommands },
  {
    words: ['dashboard', 'dash', 'd'],
    load: async () => (await import('./dashboard/command.ts')).addDashboardCommand,
  },
  { words: ['local'], load: async () => (await import('./local/command.ts')).addLocalCommand },
  { words: ['demo'], load: async () => (await import('./demo/command.ts')).addDemoCommand },
  {
    words: ['completion', '__complete'],
    load: async () => (await import('./completion/command.ts')).addCompletionCommand,
  },
  { words: ['help'], load: async () => (await import('./help/command.ts')).addHelpCommand },
];

/** Words whose answer depends on the whole tree. */
const wholeTree = ['help', '__complete'];

/** The groups that a command line needs: its own when its first word says which, else all of them. */
function groupsFor([first = '']: readonly string[]): readonly CommandGroup[] {
  const own = wholeTree.includes(first) ? undefined : groups.find((group) => group.words.includes(first));
  return own === undefined ? groups : [own];
}

/** What was typed. kubectl asks for completions of a plug-in by starting it under a name of its own. */
export function commandWords([, script = '', ...words]: readonly string[]): readonly string[] {
  return basename(script) === 'kubectl_complete-mesh' ? ['__complete', '--', ...words] : words;
}

/** What follows an error of the command line: the help of the very command, and the id (CLI-7). */
function afterUsageError(command: Command, path: string): void {
  command.showHelpAfterError(`try: ${path} --help\nid: ERR_CLI_INVALID (ambit help ERR_CLI_INVALID)`);
  for (const one of command.commands) afterUsageError(one, `${path} ${one.name()}`);
}

/**
 * The command tree, as far as `words` (the command line) needs it; without words the whole tree. `script` is the path that the program was
 * started with.
 */
export async function buildProgram(config: CliConfig, script: string, words: readonly string[] = []): Promise<Command> {
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
    .helpCommand(false)
    .exitOverride();

  for (const add of await Promise.all(groupsFor(words).map(async ({ load }) => load()))) add(program, config);
  afterUsageError(program, program.name());
  return program;
}
