// `ambit demo`: a whole mesh on this machine, and a tour of it. Without a terminal the tour runs by itself.
import { type Command, Option } from 'commander';
import type { CliConfig } from '../config.ts';

/** Options of the command as the command line gives them. */
export interface DemoFlags {
  readonly check?: boolean;
  readonly reset?: boolean;
  readonly mode: 'auto' | 'netns' | 'loopback';
  readonly port: string;
}

/** Adds `demo`. */
export function addDemoCommand(program: Command, config: CliConfig): void {
  program
    .command('demo')
    .description('Bring up a mesh with a sample application on this machine and show what it does')
    .option('--check', 'run the tour without a terminal and assert every step')
    .option('--reset', 'remove what an earlier demo left behind, and end')
    .addOption(
      new Option('--mode <mode>', 'netns needs root, iproute2 and nftables; loopback needs no rights')
        .choices(['auto', 'netns', 'loopback'])
        .default('auto'),
    )
    .option('--port <port>', 'port of the page; another is chosen when it is taken', '8080')
    .action(async (flags: DemoFlags) => {
      const { runDemo } = await import('./demo.ts');
      process.exitCode = await runDemo(config, flags);
    });
}
