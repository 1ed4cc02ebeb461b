// `ambit bug-report`. In: the cluster. Out: a folder with one file per finding. What is there already is not fetched again, so the command
// can be repeated after Ctrl-C. Secrets are never read. Called by command.ts.
import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '@ambit/runtime/errors';
import { nodeProxies } from '../agent/choose.ts';
import { clusterChecks } from '../check/cluster-checks.ts';
import { renderFindings } from '../check/finding.ts';
import { meshChecks } from '../check/mesh-checks.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { worldObjects } from '../explain/load-world.ts';
import { startProgress } from '../output/progress.ts';

/** Options of the command. */
export interface BugReportOptions {
  readonly outputDir: string;
  readonly sinceSeconds: number;
  readonly dryRun?: boolean;
}

interface Part {
  readonly file: string;
  readonly collect: () => Promise<string>;
}

const hidden = 'hidden';

/** Objects without what may be secret: annotations of kubectl that repeat whole objects, and environment values. */
function redacted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'managedFields' && key !== 'kubectl.kubernetes.io/last-applied-configuration')
      .map(([key, inner]) => [
        key,
        key === 'env' && Array.isArray(inner)
          ? inner.map((one: Record<string, unknown>) => ('value' in one ? { ...one, value: hidden } : one))
          : redacted(inner),
      ]),
  );
}

async function partsOf(api: OpenedCluster, options: BugReportOptions): Promise<readonly Part[]> {
  const namespace = api.istioNamespace;
  const [pods, proxies, waypoints] = await Promise.all([
    api.list(kinds.pod, { namespace }),
    nodeProxies(api, namespace),
    api.list(kinds.pod, { labelSelector: 'gateway.networking.k8s.io/gateway-class-name=istio-waypoint' }),
  ]);
  const ask = (pod: (typeof pods)[number], port: number, path: string) => async (): Promise<string> =>
    (await api.askPod({ namespace: namespaceOf(pod), name: nameOf(pod), port, path })).body;
  return [
    {
      file: 'check.txt',
      collect: async () => {
        const findings = [];
        for (const check of [...clusterChecks, ...meshChecks]) findings.push(...(await check(api)));
        return renderFindings(findings);
      },
    },
    { file: 'objects.json', collect: async () => JSON.stringify(redacted(await worldObjects(api)), undefined, 1) },
    ...[...pods, ...waypoints].map((pod) => ({
      file: `logs/${namespaceOf(pod)}.${nameOf(pod)}.log`,
      collect: async () =>
        api.podLog({ namespace: namespaceOf(pod), name: nameOf(pod), sinceSeconds: options.sinceSeconds }),
    })),
    ...[...proxies, ...waypoints].flatMap((pod) => [
      { file: `dumps/${namespaceOf(pod)}.${nameOf(pod)}.json`, collect: ask(pod, 15_000, '/config_dump') },
      { file: `metrics/${namespaceOf(pod)}.${nameOf(pod)}.txt`, collect: ask(pod, 15_020, '/metrics') },
    ]),
    ...pods
      .filter((pod) => pod.metadata?.labels?.['app'] === 'istiod')
      .flatMap((pod) =>
        ['syncz', 'ambientz', 'problems'].map((page) => ({
          file: `control-plane/${nameOf(pod)}.${page}.json`,
          collect: ask(pod, 15_014, `/debug/${page}`),
        })),
      ),
  ];
}

/** Collects. A part that cannot be had is noted in errors.txt and does not stop the others. */
export async function bugReport(api: OpenedCluster, options: BugReportOptions): Promise<void> {
  const parts = await partsOf(api, options);
  if (options.dryRun === true) {
    process.stdout.write(`${parts.map(({ file }) => join(options.outputDir, file)).join('\n')}\n`);
    return;
  }
  const progress = startProgress(`collecting ${parts.length} files`);
  const errors: string[] = [];
  let bytes = 0;
  mkdirSync(options.outputDir, { recursive: true });
  for (const [index, { file, collect }] of parts.entries()) {
    const path = join(options.outputDir, file);
    if (!existsSync(path)) {
      progress.update(`${index + 1}/${parts.length} ${file}`);
      try {
        const text = await collect();
        mkdirSync(join(path, '..'), { recursive: true });
        writeFileSync(path, text, { mode: 0o600 });
      } catch (error) {
        errors.push(`${file}: ${messageOf(error)}`);
        continue;
      }
    }
    bytes += statSync(path).size;
  }
  if (errors.length > 0) writeFileSync(join(options.outputDir, 'errors.txt'), `${errors.join('\n')}\n`);
  progress.done(
    `${parts.length - errors.length} files, ${(bytes / 1024 / 1024).toFixed(1)} MiB in ${options.outputDir}`,
  );
  if (errors.length > 0)
    process.stdout.write(`${errors.length} files could not be collected: ${join(options.outputDir, 'errors.txt')}\n`);
}
