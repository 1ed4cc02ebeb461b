// In: the global options. Out: a connected ClusterApi. The Kubernetes client is loaded here and only here, because it costs 0.4 s.
import type { Command } from 'commander';
import type { CliConfig } from '../config.ts';
import type { ClusterApi } from './cluster-api.ts';

/** Options that every command accepts. */
export interface GlobalOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly istioNamespace: string;
}

/** Connects with the kubeconfig of the command line, else of the environment. */
export async function openCluster(program: Command, config: CliConfig): Promise<ClusterApi> {
  const options = program.opts<GlobalOptions>();
  const { connectCluster } = await import('./connect.ts');
  return connectCluster(options.kubeconfig ?? config.kubeconfig, options.context);
}
