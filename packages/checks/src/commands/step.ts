// In: a program and its arguments. Out: its exit code, with its output passed through. Called by the root commands.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository root, with a trailing slash. */
export const repositoryRoot = fileURLToPath(new URL('../../../../', import.meta.url));

/** Absolute path of an installed tool's launcher. */
export const tool = (name: string): string => `${repositoryRoot}node_modules/.bin/${name}`;

/** Flags with which every source file of this repository runs. */
export const sourceFlags: readonly string[] = ['--conditions=@ambit/source'];

/** How long a program may take to end after it was interrupted. */
const KILL_AFTER_MS = 10_000;

/** One finished step of a root command. */
export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly elapsedMs: number;
}

/**
 * Runs one program to its end; `ok` is false for any exit other than 0, and when it was ended after `timeoutMs` (default: no
 * limit). The child is ended with us.
 */
export async function runStep(
  name: string,
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly quiet?: boolean; readonly timeoutMs?: number } = {},
): Promise<StepResult> {
  const started = performance.now();
  const child = spawn(program, args, {
    cwd: repositoryRoot,
    stdio: options.quiet === true ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    env: options.env ?? process.env,
  });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const tooLate = (): void => {
    console.error(`\n${name}: ended after ${(options.timeoutMs ?? 0) / 1000} s`);
    // The interrupt lets a test runner say what it was doing; whoever ignores it is ended all the same.
    child.kill('SIGINT');
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
  };
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(tooLate, options.timeoutMs);
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.once('SIGINT', forward);
  process.once('SIGTERM', forward);
  const ok = await new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      console.error(`${name}: ${error.message}`);
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  clearTimeout(timer);
  process.removeListener('SIGINT', forward);
  process.removeListener('SIGTERM', forward);
  if (!ok && options.quiet === true) process.stdout.write(Buffer.concat(chunks));
  return { name, ok, elapsedMs: performance.now() - started };
}

/** Prints one line per step and returns the exit code of the whole command. */
export function report(steps: readonly StepResult[]): number {
  for (const step of steps) {
    console.log(`${step.ok ? 'ok    ' : 'FAILED'} ${step.name} (${(step.elapsedMs / 1000).toFixed(1)} s)`);
  }
  return steps.every((step) => step.ok) ? 0 : 1;
}
