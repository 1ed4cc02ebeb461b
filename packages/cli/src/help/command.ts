// `ambit help [TOPIC]`: a command's help, or what an error id, an analyzer code or a check means (CLI-7).
import type { Command } from 'commander';
import { exitStatus } from '../output/exit-status.ts';

/** Adds `help`. */
export function addHelpCommand(program: Command): void {
  program
    .command('help')
    .argument('[topic...]', 'a command, or an id such as ERR_CLI_TIMEOUT, IST0127 or check/redirection')
    .description('Explain a command, an error id, an analyzer code or a check')
    .action(async (topic: readonly string[]) => {
      let command: Command | undefined = program;
      for (const word of topic) {
        command = command?.commands.find(
          (candidate) => candidate.name() === word || candidate.aliases().includes(word),
        );
      }
      if (command !== undefined) {
        command.outputHelp();
        return;
      }
      const { explainTopic } = await import('./topics.ts');
      const text = explainTopic(topic.join(' '));
      if (text === undefined) {
        process.stderr.write(`nothing is known about "${topic.join(' ')}"\ntry: ambit --help\n`);
        process.exitCode = exitStatus.usage;
      } else process.stdout.write(`${text}\n`);
    });
}
