// In: the environment and the user's settings file. Out: one frozen record. Called by main.ts only.
// Order of precedence (CLI-9): flags, AMBIT_* (ISTIOCTL_* for people who have it), ~/.config/ambit/config.yaml, kubeconfig.
import { readEnv, text } from '@ambit/runtime/env';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The CLI's environment variables. */
export const cliEnv = {
  KUBECONFIG: text(undefined, 'Kubeconfig file, or several, merged as kubectl does.'),
  AMBIT_LOCAL_DIR: text(join(homedir(), '.ambit'), 'Folder under which local clusters keep their state.'),
  AMBIT_CONFIG: text(
    join(homedir(), '.config', 'ambit', 'config.yaml'),
    'Settings file of the command line; it need not exist.',
  ),
  AMBIT_CONTEXT: text(undefined, 'Context of the kubeconfig, as `--context`.'),
  AMBIT_NAMESPACE: text(undefined, 'Namespace of commands, as `-n`.'),
  AMBIT_ISTIONAMESPACE: text(undefined, 'Namespace of the mesh, as `-i`.'),
  ISTIOCTL_CONTEXT: text(undefined, 'Read when AMBIT_CONTEXT is unset.'),
  ISTIOCTL_NAMESPACE: text(undefined, 'Read when AMBIT_NAMESPACE is unset.'),
  ISTIOCTL_ISTIONAMESPACE: text(undefined, 'Read when AMBIT_ISTIONAMESPACE is unset.'),
};

/** Settings that every command gets. */
export interface CliConfig {
  readonly kubeconfig: string;
  readonly localDirectory: string;
  readonly settingsFile: string;
  /** From the environment; flags win. */
  readonly context?: string;
  readonly namespace?: string;
  readonly istioNamespace?: string;
}

/** Reads the environment once. Throws ConfigError naming every problem. */
export function readCliConfig(environment: NodeJS.ProcessEnv): CliConfig {
  const env = readEnv(cliEnv, environment);
  const context = env.AMBIT_CONTEXT ?? env.ISTIOCTL_CONTEXT;
  const namespace = env.AMBIT_NAMESPACE ?? env.ISTIOCTL_NAMESPACE;
  const istioNamespace = env.AMBIT_ISTIONAMESPACE ?? env.ISTIOCTL_ISTIONAMESPACE;
  return Object.freeze({
    kubeconfig: env.KUBECONFIG ?? join(homedir(), '.kube', 'config'),
    localDirectory: env.AMBIT_LOCAL_DIR,
    settingsFile: env.AMBIT_CONFIG,
    ...(context === undefined ? {} : { context }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(istioNamespace === undefined ? {} : { istioNamespace }),
  });
}
