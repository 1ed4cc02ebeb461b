// In: why a call of the plugin failed. Out: the line on stderr, in the node's folder and at the agent, if it is there. Called by main.ts.
// A process of its own on the host: Node's own modules only. Nothing here may fail a call or keep it waiting. Source: spec node-agent 6.6.
import { appendFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Size at which the file is put aside, once; what was put aside before is gone then. */
const maxFileBytes = 10 * 1024 * 1024;
const fileName = 'istio-cni.log';

/** One line, as upstream's plugin writes it. */
export function logLine(level: 'info' | 'error', message: string, fields: Readonly<Record<string, string>>): string {
  return JSON.stringify({ level, time: new Date().toISOString(), msg: message, ...fields });
}

/** Appends to the log in the run folder, for times when no agent is there to read it. Without the folder there is none. */
export function appendToFile(runDir: string, line: string): void {
  const path = join(runDir, fileName);
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size + line.length > maxFileBytes) renameSync(path, `${path}.1`);
    appendFileSync(path, `${line}\n`, { mode: 0o600 });
  } catch {
    // A full disk or a missing folder must not keep a pod from starting; the runtime reports the failure too.
  }
}
