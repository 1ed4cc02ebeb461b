// In: the environment. Out: one frozen record. Called by main.ts only.
import { readEnv, text } from '@ambit/runtime/env';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The CLI's environment variables. */
export const cliEnv = {
  KUBECONFIG: text(undefined, 'Kubeconfig file; the first of a list is used.'),
  AMBIT_LOCAL_DIR: text(join(homedir(), '.ambit'), 'Folder under which local clusters keep their state.'),
};

/** Settings that every command gets. */
export interface CliConfig {
  readonly kubeconfig: string;
  readonly localDirectory: string;
}

/** Reads the environment once. Throws ConfigError naming every problem. */
export function readCliConfig(environment: NodeJS.ProcessEnv): CliConfig {
  const env = readEnv(cliEnv, environment);
  return Object.freeze({
    kubeconfig: env.KUBECONFIG?.split(':')[0] ?? join(homedir(), '.kube', 'config'),
    localDirectory: env.AMBIT_LOCAL_DIR,
  });
}
