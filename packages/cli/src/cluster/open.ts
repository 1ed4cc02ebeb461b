// In: flags, environment, settings file. Out: the settings in force, and a connected ClusterApi. The Kubernetes client is loaded here
// and only here, because it costs 0.4 s. Called by every command that needs a cluster.
import type { Command } from 'commander';
import { existsSync, readFileSync } from 'node:fs';
import type { CliConfig } from '../config.ts';
import { CliError } from '../errors.ts';
import type { ClusterApi } from './cluster-api.ts';

/** Options that every command accepts. */
export interface GlobalOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly istioNamespace?: string;
  readonly as?: string;
  readonly asGroup?: readonly string[];
  readonly verbose?: boolean;
}

/** What flags, environment and settings file come to. */
export interface Settings {
  readonly kubeconfig: string;
  readonly context: string | undefined;
  /** Undefined = what the kubeconfig's context says, else `default`. */
  readonly namespace: string | undefined;
  readonly istioNamespace: string;
}

type SettingsFile = Partial<Record<'kubeconfig' | 'context' | 'namespace' | 'istioNamespace', string>>;

const fields = ['kubeconfig', 'context', 'namespace', 'istioNamespace'] as const;

async function readSettingsFile(file: string): Promise<SettingsFile> {
  if (!existsSync(file)) return {};
  const { parse } = await import('yaml');
  let content: unknown;
  try {
    content = parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new CliError('ERR_CLI_FILE', `settings file ${file} cannot be read`, { cause });
  }
  const record = (content ?? {}) as Record<string, unknown>;
  return Object.fromEntries(fields.flatMap((name) => (typeof record[name] === 'string' ? [[name, record[name]]] : [])));
}

/** The settings in force. */
export async function settingsOf(program: Command, config: CliConfig): Promise<Settings> {
  const flags = program.opts<GlobalOptions>();
  const file = await readSettingsFile(config.settingsFile);
  return {
    kubeconfig: flags.kubeconfig ?? file.kubeconfig ?? config.kubeconfig,
    context: flags.context ?? config.context ?? file.context,
    namespace: flags.namespace ?? config.namespace ?? file.namespace,
    istioNamespace: flags.istioNamespace ?? config.istioNamespace ?? file.istioNamespace ?? 'istio-system',
  };
}

/** A cluster with the settings it was opened with. */
export interface OpenedCluster extends ClusterApi {
  /** Namespace that commands work in when none is named otherwise. */
  readonly namespace: string;
  /** Namespace of the mesh. */
  readonly istioNamespace: string;
}

/** Connects with the kubeconfig of the command line, else of the environment. */
export async function openCluster(program: Command, config: CliConfig): Promise<OpenedCluster> {
  const settings = await settingsOf(program, config);
  const { connectCluster } = await import('./connect.ts');
  const flags = program.opts<GlobalOptions>();
  const api = await connectCluster(settings.kubeconfig, settings.context, {
    ...(flags.as === undefined ? {} : { user: flags.as }),
    ...(flags.asGroup === undefined ? {} : { groups: flags.asGroup }),
  });
  return {
    ...api,
    namespace: settings.namespace ?? api.contextNamespace ?? 'default',
    istioNamespace: settings.istioNamespace,
  };
}
