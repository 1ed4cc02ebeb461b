// `ambit agent` (also `ztunnel-config`, `zc`): what a node proxy knows, with the verbs, flags and columns of istioctl.
import { type Command, Option } from 'commander';
import { openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { outputOptions } from '../output/print-listing.ts';
import type { LogFlags } from './log.ts';
import type { AgentFlags, AgentView } from './show.ts';

interface ViewCommand {
  readonly view: AgentView;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly options: readonly Option[];
}

const workloadNamespace = new Option('--workload-namespace <namespace>', 'only workloads of this namespace');

const viewCommands: readonly ViewCommand[] = [
  {
    view: 'all',
    name: 'all',
    aliases: [],
    description: 'All of the below',
    options: [new Option('--with-headers', 'a headline before each table')],
  },
  {
    view: 'workloads',
    name: 'workloads',
    aliases: ['workload', 'w'],
    description: 'Workloads, their node, waypoint and protocol',
    options: [
      workloadNamespace,
      new Option('--address <ip>', 'only workloads with this address'),
      new Option('--workload-node <node>', 'only workloads of this node'),
    ],
  },
  {
    view: 'services',
    name: 'services',
    aliases: ['service', 's', 'svc'],
    description: 'Services, their waypoint and endpoints',
    options: [new Option('--service-namespace <namespace>', 'only services of this namespace')],
  },
  {
    view: 'policies',
    name: 'policies',
    aliases: ['policy', 'p', 'pol'],
    description: 'Authorization policies as compiled for L4',
    options: [new Option('--policy-namespace <namespace>', 'only policies of this namespace')],
  },
  {
    view: 'certificates',
    name: 'certificates',
    aliases: ['certificate', 'certs', 'cert'],
    description: 'Certificates of the pods of a node',
    options: [],
  },
  {
    view: 'connections',
    name: 'connections',
    aliases: ['connection', 'cons'],
    description: 'Open connections of the pods of a node',
    options: [
      workloadNamespace,
      new Option('--direction <direction>', 'only these').choices(['inbound', 'outbound']),
      new Option('--raw', 'addresses instead of names'),
    ],
  },
  { view: 'dump', name: 'dump', aliases: [], description: 'The whole dump as JSON', options: [] },
];

/** Adds `agent` and its subcommands. */
export function addAgentCommand(program: Command, config: CliConfig): void {
  const agent = program
    .command('agent')
    .aliases(['ztunnel-config', 'zc'])
    .description('What a node proxy knows: workloads, services, policies, certificates, connections');
  for (const { view, name, aliases, description, options } of viewCommands) {
    const command = agent
      .command(name)
      .aliases([...aliases])
      .argument('[reference]', 'a node proxy, or a workload on its node: pod, deploy/x, svc/x, node/x, an address')
      .description(description);
    for (const option of options) command.addOption(option);
    command
      .option('--node <node>', 'ask the node proxy of this node')
      .option('-A, --all-nodes', 'ask all node proxies, one after another')
      .option('-f, --file <file>', 'read a dump from a file')
      .option('--proxy-admin-port <port>', 'admin port of the node proxy', '15000');
    outputOptions(command).action(async (reference: string | undefined, flags: AgentFlags) => {
      const { showAgent } = await import('./show.ts');
      await showAgent(async () => openCluster(program, config), view, reference, flags);
    });
  }
  agent
    .command('log')
    .argument('[reference]', 'a node proxy, or a workload on its node; default: all node proxies')
    .description('Show or change log levels at run time')
    .option('--level <levels>', 'LEVEL or SCOPE:LEVEL, separated by commas')
    .option('-r, --reset', 'back to the default')
    .option('--for <duration>', 'go back to the default after this time, for example 10m')
    .option('--node <node>', 'the node proxy of this node')
    .option('--proxy-admin-port <port>', 'admin port of the node proxy', '15000')
    .action(async (reference: string | undefined, flags: LogFlags) => {
      const { agentLog } = await import('./log.ts');
      await agentLog(await openCluster(program, config), reference, flags);
    });
}
