// In: options. Out: versions as text or JSON. A cluster that does not answer is said, not an error. Called by command.ts.
import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import type { OpenedCluster } from '../cluster/open.ts';
import type { CliConfig } from '../config.ts';
import { failureText } from '../output/failure.ts';
import { packageFile } from '../package-file.ts';

interface Versions {
  readonly clientVersion: string;
  readonly meshVersion?: readonly { readonly revision: string; readonly version: string }[];
  readonly dataPlaneVersion?: readonly { readonly version: string; readonly count: number }[];
  readonly skew?: readonly string[];
}

/** Version of this program, from its manifest. */
export const clientVersion = (): string =>
  (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }).version;

async function remoteVersions(
  api: OpenedCluster,
  revision: string | undefined,
): Promise<Omit<Versions, 'clientVersion'>> {
  const [{ kinds, labels }, { countVersions, skewOf, versionOf }] = await Promise.all([
    import('../cluster/kinds.ts'),
    import('./versions.ts'),
  ]);
  const inMesh = { namespace: api.istioNamespace };
  const [deployments, ztunnels, gateways] = await Promise.all([
    api.list(kinds.deployment, { ...inMesh, labelSelector: 'app=istiod' }),
    api.list(kinds.pod, { ...inMesh, labelSelector: 'app=ztunnel' }),
    api.list(kinds.pod, { labelSelector: 'gateway.networking.k8s.io/gateway-name' }),
  ]);
  const meshVersion = deployments
    .map((deployment) => ({
      revision: deployment.metadata?.labels?.[labels.revision] ?? 'default',
      version: versionOf(deployment),
    }))
    .filter((one) => revision === undefined || one.revision === revision);
  const dataPlaneVersion = countVersions([...ztunnels, ...gateways]);
  const newest = meshVersion.at(-1)?.version ?? 'unknown';
  const skew = dataPlaneVersion.flatMap(({ version }) => skewOf(newest, version) ?? []);
  return { meshVersion, dataPlaneVersion, ...(skew.length === 0 ? {} : { skew }) };
}

function lines(versions: Versions): readonly string[] {
  const { clientVersion: own, meshVersion = [], dataPlaneVersion = [], skew = [] } = versions;
  return [
    `client version: ${own}`,
    ...meshVersion.map(
      ({ revision, version }) =>
        `control plane version: ${version}${revision === 'default' ? '' : ` (revision ${revision})`}`,
    ),
    ...(dataPlaneVersion.length === 0
      ? []
      : [
          `data plane version: ${dataPlaneVersion.map(({ version, count }) => `${version} (${count} ${count === 1 ? 'proxy' : 'proxies'})`).join(', ')}`,
        ]),
    ...skew.map((text) => `!! version skew: ${text}`),
  ];
}

/** Prints the versions. */
export async function printVersion(
  program: Command,
  config: CliConfig,
  options: {
    readonly remote: string;
    readonly client?: boolean;
    readonly output: string;
    readonly short?: boolean;
    readonly revision?: string;
  },
): Promise<void> {
  let versions: Versions = { clientVersion: clientVersion() };
  let unknown: string | undefined;
  if (options.remote !== 'false' && options.client !== true) {
    try {
      const { openCluster } = await import('../cluster/open.ts');
      const api = await openCluster(program, config);
      versions = { ...versions, ...(await remoteVersions(api, options.revision)) };
      api.close();
      if (versions.meshVersion?.length === 0)
        unknown = `no control plane${options.revision === undefined ? '' : ` of revision ${options.revision}`} is in namespace ${api.istioNamespace}\ntry: ambit install, or -i NAMESPACE`;
    } catch (error) {
      unknown = `what runs in the cluster is not known\nwhy: ${failureText(error)}`;
    }
  }
  if (options.output === 'json') process.stdout.write(`${JSON.stringify(versions, undefined, 2)}\n`);
  else if (options.output === 'yaml') process.stdout.write((await import('yaml')).stringify(versions));
  else process.stdout.write(`${lines(versions).join('\n')}\n`);
  if (unknown !== undefined) process.stderr.write(`${unknown}\n`);
}
