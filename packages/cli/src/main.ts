// In: the command line. Out: the command's exit status. Commands are loaded when they are called, so that `ambit version` stays fast.
import { CommanderError } from 'commander';
import { readCliConfig } from './config.ts';
import { failureStatus } from './output/failure.ts';
import { stopOnInterrupt } from './output/interrupt.ts';
import { buildProgram, commandWords } from './program.ts';

const words = commandWords(process.argv);
const program = await buildProgram(readCliConfig(process.env), process.argv[1] ?? '', words);
stopOnInterrupt(program);

try {
  await program.parseAsync(words, { from: 'user' });
} catch (error) {
  process.exitCode =
    error instanceof CommanderError
      ? failureStatus(error, false)
      : failureStatus(error, program.opts<{ verbose?: boolean }>().verbose === true);
}
