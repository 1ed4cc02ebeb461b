// `ambit local kubeconfig`. In: a cluster's name. Out: its kubeconfig, or the path of it, on standard output. Called by command.ts.
import { readFileSync } from 'node:fs';
import type { CliConfig } from '../config.ts';
import { requireRunning } from './state-folder.ts';

/** Prints the kubeconfig of a running cluster. */
export function printKubeconfig(config: CliConfig, name: string, isPath: boolean): void {
  const { description } = requireRunning(config.localDirectory, name);
  process.stdout.write(isPath ? `${description.kubeconfig}\n` : readFileSync(description.kubeconfig, 'utf8'));
}
