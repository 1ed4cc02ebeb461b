// `ambit local ...`: the embedded cluster, for trying, developing and testing only.
import { type Command, Option } from 'commander';
import type { CliConfig } from '../config.ts';
import type { NodeAct } from './switch-node.ts';

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

interface Named {
  readonly name: string;
}

/** Adds `local` and its subcommands. */
export function addLocalCommand(program: Command, config: CliConfig): void {
  const local = program
    .command('local')
    .description('The embedded local cluster: for trying, developing and testing only');
  const add = (words: string, description: string, parent = local): Command =>
    parent.command(words).description(description).option('--name <name>', 'name of the cluster', 'local');
  add('up', 'Start a local cluster in the background and print its kubeconfig')
    .addOption(
      new Option(
        '--mode <mode>',
        'netns needs root, iproute2 and nftables; loopback needs no rights (default: auto)',
      ).choices(['auto', 'netns', 'loopback']),
    )
    .option('--nodes <count>', 'number of nodes, 1 to 9 (default: 2)')
    .option('-f, --filename <file>', 'settings (kind LocalCluster) and objects to apply, also to a running cluster')
    .action(async (options: { mode?: string; nodes?: string; name: string; filename?: string }) => {
      const { localUp } = await import('./up.ts');
      await localUp(config, options);
    });
  add('down', 'Stop a local cluster and remove everything it made').action(async ({ name }: Named) => {
    const { localDown } = await import('./down.ts');
    await localDown(config, name);
  });
  add('reset', 'Empty a local cluster: objects go, nodes, keys and image map stay').action(async ({ name }: Named) => {
    const { localReset } = await import('./reset.ts');
    await localReset(config, name);
  });
  local
    .command('status')
    .description('Show the local clusters of this machine')
    .option('-o, --output <format>', 'text or json', 'text')
    .action(async (options: { output: string }) => {
      const { localStatus } = await import('./status.ts');
      localStatus(config, options.output);
    });
  add('kubeconfig', 'Print the kubeconfig of a running local cluster')
    .option('--path', 'print the path of the file instead')
    .action(async ({ name, path }: Named & { readonly path?: boolean }) => {
      const { printKubeconfig } = await import('./kubeconfig.ts');
      printKubeconfig(config, name, path === true);
    });
  add('load-image <image> <command...>', 'Run a command of this machine wherever pods name this image')
    .addOption(new Option('--files <inside=outside>', 'files shown in the container; repeatable').argParser(collect))
    .addOption(new Option('--env <name=value>', 'environment of the image; repeatable').argParser(collect))
    .action(
      async (image: string, command: string[], { name, files = [], env = [] }: Named & Record<string, string[]>) => {
        const { loadImage } = await import('./load-image.ts');
        loadImage(config, image, command, { name, files, env });
      },
    );
  addNodeCommands(local, add, config);
}

/** `local reboot NODE`, `local node stop|start|reboot NODE`. */
function addNodeCommands(
  local: Command,
  add: (words: string, description: string, parent?: Command) => Command,
  config: CliConfig,
): void {
  const nodes = local.command('node').description('Switch nodes of a local cluster, as one pulls a plug');
  const texts: readonly (readonly [NodeAct, string])[] = [
    ['stop', 'Turn a node off: its pods die at once, its lease ends'],
    ['start', 'Turn a node on: its pods start again'],
    ['reboot', 'Turn a node off and on'],
  ];
  for (const [act, text] of texts) {
    const run = async (node: string, { name }: Named): Promise<void> => {
      const { switchNode } = await import('./switch-node.ts');
      await switchNode(config, name, act, node);
    };
    add(`${act} <node>`, text, nodes).action(run);
    if (act === 'reboot') add('reboot <node>', text).action(run);
  }
}
