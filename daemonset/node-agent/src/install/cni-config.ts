// In: the files of the node's CNI folder. Out: which one the container runtime uses, and its text with our plugin at the end, or without it.
// Pure. Called by installer.ts. Source: spec node-agent 6.1 and 6.2.

/** A file of the folder. */
export interface ConfigFile {
  readonly name: string;
  readonly text: string;
}

/** Our element of the plugin list. */
export interface PluginElement {
  readonly type: 'istio-cni';
  readonly [key: string]: unknown;
}

/** What to write. */
export interface ConfigChange {
  /** File to write; the name may differ from the one that was read. */
  readonly name: string;
  readonly text: string;
  /** A single-plugin file that the new list replaces. */
  readonly removes: string | undefined;
}

type Json = { readonly [key: string]: unknown };

const ownType = 'istio-cni';
const listVersion = '0.3.1';
const textLimit = 1024 * 1024;

function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function parse(text: string): Json | undefined {
  if (text.length > textLimit) return undefined;
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';

/** True for a list with a name and a plugin (`.conflist`), or a plugin with a type (`.conf`). */
export function isValidConfig({ name, text }: ConfigFile): boolean {
  const config = parse(text);
  if (config === undefined) return false;
  const { plugins, type } = config;
  if (name.endsWith('.conflist')) return isText(config['name']) && Array.isArray(plugins) && plugins.length > 0;
  return isText(type);
}

/** The file that the runtime uses: the first valid one by name, or the wanted one under either extension. */
export function chooseConfig(files: readonly ConfigFile[], wanted: string): ConfigFile | undefined {
  if (wanted !== '') {
    const base = wanted.slice(0, wanted.lastIndexOf('.'));
    const sibling = wanted.endsWith('.conf') ? `${base}.conflist` : `${base}.conf`;
    return files.find(({ name }) => name === wanted) ?? files.find(({ name }) => name === sibling);
  }
  return files
    .filter(({ name }) => name.endsWith('.conf') || name.endsWith('.conflist'))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
    .find(isValidConfig);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  const fields = objectOf(value);
  if (fields === undefined) return value;
  return Object.fromEntries(
    Object.keys(fields)
      .toSorted()
      .map((key) => [key, sorted(fields[key])]),
  );
}

/** The text of a configuration as this agent writes it: sorted keys, two spaces. */
export const printConfig = (config: Json): string => `${JSON.stringify(sorted(config), undefined, 2)}\n`;

function pluginsOf(config: Json): readonly Json[] {
  const { plugins } = config;
  return Array.isArray(plugins) ? plugins.map(objectOf).filter((plugin) => plugin !== undefined) : [];
}

/** The file with our plugin at the end of its list; a single plugin becomes a list under the other extension. */
export function addPlugin(file: ConfigFile, element: PluginElement): ConfigChange | undefined {
  const config = parse(file.text);
  if (config === undefined) return undefined;
  if (Array.isArray(config['plugins'])) {
    const others = pluginsOf(config);
    const at = others.findIndex(({ type }) => type === ownType);
    const kept = at === -1 ? others : others.toSpliced(at, 1);
    return { name: file.name, text: printConfig({ ...config, plugins: [...kept, element] }), removes: undefined };
  }
  const { cniVersion: _version, ...single } = config;
  const list = { name: 'k8s-pod-network', cniVersion: listVersion, plugins: [single, element] };
  const name = file.name.endsWith('.conf') ? `${file.name}list` : file.name;
  return { name, text: printConfig(list), removes: name === file.name ? undefined : file.name };
}

/** The file without our plugin; undefined when it is not in there. */
export function removePlugin(file: ConfigFile): string | undefined {
  const config = parse(file.text);
  if (config === undefined || !pluginsOf(config).some(({ type }) => type === ownType)) return undefined;
  return printConfig({ ...config, plugins: pluginsOf(config).filter(({ type }) => type !== ownType) });
}

/** True when the file is a list that ends with exactly our element. */
export function hasPlugin(file: ConfigFile, element: PluginElement): boolean {
  const config = parse(file.text);
  const last = config === undefined ? undefined : pluginsOf(config).at(-1);
  return last !== undefined && JSON.stringify(sorted(last)) === JSON.stringify(sorted(element));
}
