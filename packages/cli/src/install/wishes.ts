// In: the flags of an installation (files, --set, --revision, ...). Out: the values of the charts. Called by install, upgrade, manifest.
// Paths of --set are those of istioctl (`values.x`, `meshConfig.x`, `components.x`, `profile`, `hub`, `tag`, `revision`) or of the charts.
import { type InstallationValues, operatorWishes, setValue } from '@ambit/charts';
import { readFileSync } from 'node:fs';
import { CliError } from '../errors.ts';

/** Flags of the commands that render an installation. */
export interface InstallFlags {
  readonly filename?: readonly string[];
  readonly set?: readonly string[];
  readonly revision?: string;
  readonly profile?: string;
  readonly hub?: string;
  readonly tag?: string;
}

type Part = 'base' | 'istiod' | 'cni' | 'ztunnel';

/** What is to be installed. */
export interface InstallWishes {
  readonly values: InstallationValues;
  readonly namespace: string;
  readonly charts: readonly Part[];
  /** Empty for the default one. */
  readonly revision: string;
}

type Tree = Record<string, unknown>;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

function lay(base: Tree, over: Tree): Tree {
  for (const [key, value] of Object.entries(over)) {
    const known = base[key];
    if (isTree(known) && isTree(value)) lay(known, value);
    else base[key] = value;
  }
  return base;
}

const operatorPaths = ['values.', 'meshConfig.', 'components.', 'profile=', 'hub=', 'tag=', 'revision=', 'namespace='];
const isOperatorPath = (word: string): boolean => operatorPaths.some((path) => word.startsWith(path));

async function fileContents(files: readonly string[]): Promise<readonly Tree[]> {
  if (files.length === 0) return [];
  const { parse } = await import('yaml');
  return files.map((file) => {
    try {
      const content: unknown = parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
      return isTree(content) ? content : {};
    } catch (cause) {
      throw new CliError('ERR_CLI_FILE', `file ${file} cannot be read`, { cause });
    }
  });
}

/** Reads everything. Throws ERR_CLI_FILE, ERR_CHARTS_OPERATOR and ERR_CHARTS_VALUES. */
export async function installWishes(flags: InstallFlags, istioNamespace: string): Promise<InstallWishes> {
  const spec: Tree = {};
  const values: Tree = {};
  for (const content of await fileContents(flags.filename ?? [])) {
    if (content['kind'] === 'IstioOperator') lay(spec, isTree(content['spec']) ? content['spec'] : {});
    else lay(values, content);
  }
  for (const word of flags.set ?? []) setValue(isOperatorPath(word) ? spec : values, word);
  const named = Object.entries({ profile: flags.profile, hub: flags.hub, tag: flags.tag, revision: flags.revision });
  for (const [key, value] of named) if (value !== undefined) spec[key] = value;
  const wishes = operatorWishes({ kind: 'IstioOperator', spec });
  const all = lay(wishes.values as Tree, values);
  const revision = typeof all['revision'] === 'string' && all['revision'] !== 'default' ? all['revision'] : '';
  if (revision.includes('.'))
    throw new CliError('ERR_CLI_INVALID', `revision "${revision}" has dots`, {
      hint: `for example ${revision.replaceAll('.', '-')}`,
    });
  return {
    values: all,
    namespace: wishes.namespace ?? istioNamespace,
    charts: (['base', 'istiod', 'cni', 'ztunnel'] as const).filter((chart) => !wishes.disabled.includes(chart)),
    revision,
  };
}
