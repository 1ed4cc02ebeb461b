// Runs system commands for the node runtime.
// Comes in: a program and its words, perhaps text for its input. Goes out: its output, or an error with its complaint.
// Nothing is passed through a shell here. Main thread.
import { spawn } from 'node:child_process';
import { LocalClusterError } from '../errors.ts';

/** Options of one command; the limit is for the whole run. */
export interface CommandOptions {
  readonly input?: string;
  /** Default 10 000. */
  readonly timeoutMs?: number;
}

const MAX_OUTPUT_BYTES = 1 << 20;

/** Runs a command and resolves with its standard output. Rejects with ERR_LOCAL_CLUSTER_COMMAND. */
export function runCommand(program: string, words: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], timeout: options.timeoutMs ?? 10_000 });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (out.length < MAX_OUTPUT_BYTES) out += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      if (err.length < MAX_OUTPUT_BYTES) err += chunk;
    });
    const failed = (why: string, cause?: unknown): void => {
      reject(new LocalClusterError('ERR_LOCAL_CLUSTER_COMMAND', `${program} failed: ${why}`, { cause }));
    };
    child.once('error', (error) => failed(error.message, error));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(out);
      else failed(`${err.trim() === '' ? `status ${code ?? signal ?? '?'}` : err.trim()}`);
    });
    child.stdin.on('error', () => undefined); // the program may end before it read everything
    child.stdin.end(options.input ?? '');
  });
}
