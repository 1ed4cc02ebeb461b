// In: Ctrl-C. Out: what was being waited for, and exit status 130 (CLI-6). Called by main.ts; commands that run
// until then end by themselves.
import type { Command } from 'commander';
import { exitStatus } from './exit-status.ts';
import { currentProgress } from './progress.ts';

const ownHandling = ['demo', 'local', 'tap', 'top', 'dashboard'];

/** Makes Ctrl-C say what still runs. Nothing is undone: every command can be started again. */
export function stopOnInterrupt(program: Command): void {
  program.hook('preAction', (_program, action) => {
    let top: Command | null = action;
    while (top?.parent !== null && top?.parent !== program) top = top?.parent ?? null;
    if (ownHandling.includes(top?.name() ?? '')) return;
    process.once('SIGINT', () => {
      const waiting = currentProgress();
      process.stderr.write(
        waiting === undefined ? '\nstopped\n' : `\nstopped while: ${waiting}\ntry: the same command again\n`,
      );
      process.exit(exitStatus.interrupted);
    });
  });
}
