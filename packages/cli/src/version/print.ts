// In: options. Out: versions as text or JSON. A cluster that does not answer is said, not an error. Called by command.ts.
import type { Command } from 'commander';
import { createRequire } from 'node:module';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds } from '../cluster/kinds.ts';
import { numberIn, specOf, statusOf } from '../cluster/object-fields.ts';
import { type GlobalOptions, openCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';

interface Versions {
  readonly clientVersion: string;
  readonly controlPlane?: string;
  readonly dataPlane?: string;
}

/** Version of this program, from its manifest. */
export const clientVersion = (): string =>
  (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

const imageTag = (object: unknown): string => {
  const containers = (
    specOf({ spec: (object as { template?: unknown } | undefined)?.template })['spec'] as
      | { containers?: { image?: string }[] }
      | undefined
  )?.containers;
  return containers?.[0]?.image?.split(':')[1] ?? 'unknown';
};

async function remoteVersions(api: ClusterApi, namespace: string): Promise<Omit<Versions, 'clientVersion'>> {
  const istiod = await api.get({ ...kinds.deployment, namespace, name: 'istiod' });
  const ztunnel = await api.get({ ...kinds.daemonSet, namespace, name: 'ztunnel' });
  return {
    ...(istiod === undefined ? {} : { controlPlane: imageTag(specOf(istiod)) }),
    ...(ztunnel === undefined
      ? {}
      : { dataPlane: `${imageTag(specOf(ztunnel))} (${numberIn(statusOf(ztunnel), 'numberReady')} proxies)` }),
  };
}

/** Prints the versions. */
export async function printVersion(
  program: Command,
  config: CliConfig,
  options: { readonly remote: string; readonly output: string; readonly short?: boolean },
): Promise<void> {
  let versions: Versions = { clientVersion: clientVersion() };
  let unreachable: string | undefined;
  if (options.remote !== 'false') {
    try {
      const api = await openCluster(program, config);
      versions = { ...versions, ...(await remoteVersions(api, program.opts<GlobalOptions>().istioNamespace)) };
    } catch (error) {
      unreachable = error instanceof Error ? error.message : String(error);
    }
  }
  if (options.output === 'json') {
    process.stdout.write(`${JSON.stringify(versions, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(`client version: ${versions.clientVersion}\n`);
  if (versions.controlPlane !== undefined) process.stdout.write(`control plane version: ${versions.controlPlane}\n`);
  if (versions.dataPlane !== undefined) process.stdout.write(`data plane version: ${versions.dataPlane}\n`);
  if (unreachable !== undefined && options.short !== true)
    process.stderr.write(`no cluster was asked: ${unreachable}\n`);
}
