// Facts about processes of this machine from /proc, and ending them safely.
// A process is named by pid and start time, so that a reused pid is never hit. Main thread.
import { readFileSync } from 'node:fs';

/** A process that was recorded once. */
export interface ProcessRecord {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks since boot. */
  readonly startTime: string;
}

/** The start time of a process, or undefined when it does not exist (or is a zombie). */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Whether the process made up its mind about the signal (SIGTERM = 15): it runs code of its own on it, or ignores it. */
export function hasHandler(pid: number, signal: number): boolean {
  try {
    const lines = readFileSync(`/proc/${pid}/status`, 'latin1').split('\n');
    return ['SigCgt:', 'SigIgn:'].some((name) => {
      const line = lines.find((each) => each.startsWith(name)) ?? `${name}0`;
      const mask = BigInt(`0x${line.slice(name.length).trim()}`);
      return ((mask >> BigInt(signal - 1)) & 1n) === 1n;
    });
  } catch {
    return false;
  }
}

/** Sends a signal to the process, or its group when `pid` is negative; a process that is gone is no failure. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

/** Ends the recorded process and its group if it is still the same one. */
export function killRecorded(record: ProcessRecord): void {
  if (startTimeOf(record.pid) !== record.startTime) return;
  sendSignal(-record.pid, 'SIGKILL');
  sendSignal(record.pid, 'SIGKILL');
}
