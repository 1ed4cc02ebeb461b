// In: the command line. Out: the command's exit status. Commands are loaded when they are called, so that `ambit version` stays fast.
import { CommanderError } from 'commander';
import { readCliConfig } from './config.ts';
import { failureStatus } from './output/failure.ts';
import { stopOnInterrupt } from './output/interrupt.ts';
import { buildProgram } from './program.ts';

const program = buildProgram(readCliConfig(process.env), process.argv[1] ?? '');
stopOnInterrupt(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  process.exitCode =
    error instanceof CommanderError
      ? failureStatus(error, false)
      : failureStatus(error, program.opts<{ verbose?: boolean }>().verbose === true);
}
