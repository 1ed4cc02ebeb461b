// `ambit completion SHELL` and the hidden verb `__complete` behind it (CLI-10).
import { Argument, type Command } from 'commander';
import type { CliConfig } from '../config.ts';

/** Adds `completion` and `__complete`. */
export function addCompletionCommand(program: Command, config: CliConfig): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'your shell').choices(['bash', 'zsh', 'fish', 'powershell']))
    .description('Print a completion script: source <(ambit completion bash)')
    .action(async (shell: string) => {
      const { completionScript } = await import('./scripts.ts');
      process.stdout.write(completionScript(shell, program.name().replaceAll(' ', '-')));
    });
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: readonly string[]) => {
      const { complete } = await import('./complete.ts');
      process.stdout.write(await complete(program, config, words));
    });
}
