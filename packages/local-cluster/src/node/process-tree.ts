// What a command of exec started, found through /proc: helpers like nsenter and script stand between us and it.
// Comes in: the pid of the helper. Goes out: signals and terminal sizes to what runs below. Main thread; Linux, elsewhere
// nothing is found and nothing happens.
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readlinkSync } from 'node:fs';
import type { TerminalSize } from '../api/pod-streams.ts';

const MAX_PROCESSES = 4096;
const MAX_CELLS = 10_000;

/** The process and everything below it, parents first. */
export function processTree(pid: number): number[] {
  const found = [pid];
  for (let index = 0; index < found.length && found.length < MAX_PROCESSES; index++) {
    const current = found[index] ?? 0;
    try {
      const children = readFileSync(`/proc/${current}/task/${current}/children`, 'utf8');
      found.push(...children.split(' ').filter(Boolean).map(Number));
    } catch {
      // Gone meanwhile, or no such thing on this system.
    }
  }
  return found;
}

/** Ends the process and everything below it now. */
export function killTree(pid: number): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
}

/**
 * Tells the terminal of the innermost process its size; that process gets SIGWINCH from the kernel. False when there is no
 * terminal (yet).
 */
export function resizeTerminal(pid: number, { width, height }: TerminalSize): boolean {
  const isSize = (cells: number): boolean => Number.isInteger(cells) && cells > 0 && cells < MAX_CELLS;
  if (!isSize(width) || !isSize(height)) return false;
  const inner = processTree(pid).findLast((member) => terminalOf(member));
  if (inner === undefined) return false;
  let terminal: number;
  try {
    // Without O_NOCTTY it could become the terminal of this process.
    terminal = openSync(`/proc/${inner}/fd/0`, constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    return false;
  }
  const child = spawn('stty', ['rows', String(height), 'cols', String(width)], {
    stdio: [terminal, 'ignore', 'ignore'],
  });
  child.on('error', () => undefined);
  closeSync(terminal);
  return true;
}

function terminalOf(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/fd/0`).startsWith('/dev/pts/');
  } catch {
    return false;
  }
}
