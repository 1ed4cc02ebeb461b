// In: files, flags, a cluster. Out: messages on standard output, the verdict on standard error, the exit status. The analysis itself is
// pure and lives in @ambit/model. Called by command.ts.
import {
  ambientAnalyzers,
  type AnalysisOptions,
  analyzedKinds,
  analyzerList,
  type Level,
  messageJson,
  type OutputFormat,
  runAnalyze,
} from '@ambit/model/analyze/index';
import type { KubernetesObject } from '@ambit/resources';
import { type KindName, kindTable as knownKinds } from '@ambit/resources/kind-table';
import { readFileSync } from 'node:fs';
import { kinds } from '../cluster/kinds.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { hasColour } from '../output/style.ts';
import { readTexts } from './files.ts';
import { sarifOf } from './sarif.ts';

/** Flags of the command. */
export interface AnalyzeFlags {
  readonly allNamespaces?: boolean;
  readonly useKube: string;
  readonly recursive?: boolean;
  readonly listAnalyzers?: boolean;
  readonly suppress?: readonly string[];
  readonly analyzer?: readonly string[];
  readonly failureThreshold: string;
  readonly outputThreshold: string;
  readonly output: string;
  readonly meshConfigFile?: string;
  readonly ignoreUnknown?: boolean;
  /** Looks also for what upstream has no message for (ids AMB...). */
  readonly ambient?: boolean;
  readonly color?: string;
}

/** Every object that an analyzer may look at, of the whole cluster: references cross namespaces. */
async function clusterObjects(api: OpenedCluster): Promise<readonly KubernetesObject[]> {
  const wanted = Object.values(analyzedKinds) as readonly { readonly kind?: string }[];
  const names = new Set([
    ...Object.keys(analyzedKinds),
    ...wanted.flatMap(({ kind }) => (kind === undefined ? [] : [kind])),
  ]);
  const known = [...names].filter((name): name is KindName => Object.hasOwn(knownKinds, name));
  const lists = await Promise.all(
    known.map(async (name) => {
      const { group, version, kind } = knownKinds[name];
      return api.list({ apiVersion: group === '' ? version : `${group}/${version}`, kind });
    }),
  );
  return lists.flat();
}

async function meshConfigOf(api: OpenedCluster): Promise<string | undefined> {
  const map = await api.get({ ...kinds.configMap, namespace: api.istioNamespace, name: 'istio' });
  return ((map?.['data'] ?? {}) as { mesh?: string }).mesh;
}

async function requireNamespaceOf(api: OpenedCluster, namespace: string): Promise<void> {
  if ((await api.get({ ...kinds.namespace, name: namespace })) === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `namespace "${namespace}" does not exist`, {
      hint: 'kubectl get namespaces',
    });
}

/** Analyzes and prints. Returns the exit status. */
export async function analyze(
  open: () => Promise<OpenedCluster>,
  globals: { readonly namespace?: string; readonly verbose?: boolean },
  names: readonly string[],
  flags: AnalyzeFlags,
): Promise<number> {
  if (flags.listAnalyzers === true) {
    process.stdout.write(`${analyzerList()}\n`);
    return exitStatus.done;
  }
  const isCluster = flags.useKube !== 'false';
  if (!isCluster && names.length === 0)
    throw new CliError('ERR_CLI_INVALID', 'there is nothing to analyze', {
      hint: 'name files, or leave --use-kube=false out',
    });
  const api = isCluster ? await open() : undefined;
  const namespace = globals.namespace ?? api?.namespace;
  if (api !== undefined && flags.allNamespaces !== true && namespace !== undefined)
    await requireNamespaceOf(api, namespace);
  const meshConfig =
    flags.meshConfigFile === undefined
      ? api === undefined
        ? undefined
        : await meshConfigOf(api)
      : readFileSync(flags.meshConfigFile, 'utf8');
  const options: AnalysisOptions = {
    failureThreshold: flags.failureThreshold as Level,
    outputThreshold: flags.outputThreshold as Level,
    format: (flags.output === 'sarif' ? 'json' : flags.output) as OutputFormat,
    isColored: flags.color === undefined ? hasColour() : flags.color === 'true',
    isExitCodeStrict: true,
    ...(flags.allNamespaces === true ? { allNamespaces: true } : {}),
    ...(namespace === undefined ? {} : { namespace }),
    ...(flags.suppress === undefined ? {} : { suppressions: flags.suppress }),
    ...(flags.analyzer === undefined ? {} : { analyzers: flags.analyzer }),
    ...(flags.ignoreUnknown === true ? { ignoreUnknown: true } : {}),
    ...(flags.ambient === true ? { moreAnalyzers: ambientAnalyzers } : {}),
    ...(globals.verbose === true ? { isVerbose: true } : {}),
  };
  const result = runAnalyze(
    {
      files: readTexts(names, flags.recursive === true),
      nowMs: Date.now(),
      // Where no cluster is looked at, its own kinds (pods, Gateways with status) can only come from the files.
      ...(flags.ambient === true && api === undefined ? { areFilesCluster: true } : {}),
      ...(api === undefined ? {} : { clusters: [{ name: '', objects: await clusterObjects(api) }] }),
      ...(meshConfig === undefined ? {} : { meshConfig }),
    },
    options,
  );
  api?.close();
  // Options that cannot be used are told by the text alone.
  const isSarif = flags.output === 'sarif' && result.exitCode !== exitStatus.failed;
  const sarif = (): string => `${JSON.stringify(sarifOf(result.messages.map(messageJson)), undefined, 2)}\n`;
  process.stdout.write(isSarif ? sarif() : result.stdout);
  process.stderr.write(result.stderr);
  return result.exitCode === 1 ? exitStatus.usage : result.exitCode;
}
