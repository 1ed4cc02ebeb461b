// Which command stands behind an image name (spec local-cluster 10.4), and what that image may do (decision W21).
// Comes in: image references and the user's images.yaml. Goes out: commands and grants. Pure but for reading the file.
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { LocalClusterError } from '../errors.ts';
import { CONTAINER_HOME } from './root-script.ts';

/** What an image may do beyond an unprivileged process in a minimal root. */
export interface ImageGrants {
  /** Runs as uid 0. Default: a uid of its own per pod. */
  readonly root?: boolean;
  /** Path prefixes of the node that its hostPath volumes may show (`/proc`, `/var/run/netns`). */
  readonly hostPaths?: readonly string[];
  /** Sees the machine's processes. */
  readonly sharedPid?: boolean;
  /** Capabilities it may ask for (`NET_ADMIN`). */
  readonly capabilities?: readonly string[];
}

/** One line of the image map. */
export interface ImageEntry {
  /** Repository without registry host and tag; `*` stands for any text. */
  readonly match: string;
  /** The image's ENTRYPOINT. `${AMBIT_HOME}` and `${NODE}` are replaced. */
  readonly command?: readonly string[];
  /** The image's CMD. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  /** Files and folders of this machine that the image contains, by their place inside; read-only, netns mode only. */
  readonly files?: Readonly<Record<string, string>>;
  readonly grants?: ImageGrants;
  /** `supervisor`: listening sockets are kept by the node runtime in loopback mode (decision W20). */
  readonly listeners?: 'supervisor' | 'own';
}

/** An image entry as found for one reference. */
export interface ResolvedImage extends ImageEntry {
  readonly reference: string;
}

const NODE_HOSTPATHS = ['/var/run/ztunnel', '/var/run/istio-cni', '/etc/cni/net.d', '/opt/cni/bin'];

function role(
  name: string,
  file: string,
  grants?: ImageGrants,
  listeners?: 'supervisor',
  env?: Readonly<Record<string, string>>,
): ImageEntry[] {
  const command = ['${NODE}', '--conditions=@ambit/source', `\${AMBIT_HOME}/${file}`];
  return [
    {
      match: `ambit/${name}`,
      command,
      ...(grants === undefined ? {} : { grants }),
      ...(listeners === undefined ? {} : { listeners }),
      ...(env === undefined ? {} : { env }),
    },
  ];
}

/** The images every local cluster knows; a user's file comes before them. */
export const PRESET_IMAGES: readonly ImageEntry[] = [
  ...role('pilot', 'packages/control-plane/src/main.ts'),
  ...role('proxyv2', 'waypoint/src/main.ts'),
  ...role('bookinfo', 'packages/bookinfo/src/main.ts'),
  ...role(
    'ztunnel',
    'daemonset/node-proxy/src/main.ts',
    { root: true, hostPaths: NODE_HOSTPATHS, capabilities: ['NET_ADMIN', 'SYS_ADMIN', 'NET_RAW'] },
    'supervisor',
  ),
  ...role(
    'install-cni',
    'daemonset/node-agent/src/main.ts',
    {
      root: true,
      hostPaths: [...NODE_HOSTPATHS, '/proc', '/var/run/netns', '/run/netns'],
      sharedPid: true,
      capabilities: ['NET_ADMIN', 'NET_RAW', 'SYS_PTRACE', 'SYS_ADMIN', 'DAC_OVERRIDE'],
    },
    undefined,
    // Nodes of the local cluster have the checkout and Node, so a script takes the place of the single executable.
    { AMBIT_CNI_BIN_SOURCE: `${CONTAINER_HOME}/daemonset/node-agent/cni-bin` },
  ),
  { match: '*pause', command: ['/bin/sleep', 'infinity'] },
  { match: '*curl', command: ['/usr/bin/curl'] },
  { match: '*busybox', args: ['/bin/sh'] },
  { match: '*node', command: ['${NODE}'] },
];

const MAX_FILE_BYTES = 1 << 20;

/** Reads a user's image map: a list of entries. Rejects with ERR_LOCAL_CLUSTER_IMAGES. */
export async function readImageMap(file: string): Promise<ImageEntry[]> {
  const text = await readFile(file, 'utf8');
  return parseImageMap(text, file);
}

/** Parses the text of an image map. Throws ERR_LOCAL_CLUSTER_IMAGES naming the first bad entry. */
export function parseImageMap(text: string, file: string): ImageEntry[] {
  const fail = (why: string): never => {
    throw new LocalClusterError('ERR_LOCAL_CLUSTER_IMAGES', `cannot use the image map ${file}: ${why}`, {
      hint: 'give a list of { match, command, args?, env?, workingDir?, files?, grants?, listeners? }',
    });
  };
  if (text.length > MAX_FILE_BYTES) fail(`larger than ${MAX_FILE_BYTES} bytes`);
  const value: unknown = parse(text, { maxAliasCount: 50 });
  const list: unknown = Array.isArray(value) ? value : (value as { images?: unknown } | null)?.images;
  if (!Array.isArray(list)) return fail('not a list');
  return list.map((entry: unknown, index) => {
    const item = (typeof entry === 'object' && entry !== null ? entry : {}) as Record<string, unknown>;
    if (typeof item['match'] !== 'string') fail(`entry ${index + 1} has no text \`match\``);
    for (const field of ['command', 'args']) {
      const words = item[field];
      if (words !== undefined && !(Array.isArray(words) && words.every((word) => typeof word === 'string'))) {
        fail(`\`${field}\` of entry ${index + 1} is not a list of texts`);
      }
    }
    const files: unknown = item['files'] ?? {};
    const isMap = typeof files === 'object' && files !== null && !Array.isArray(files);
    if (!isMap || !Object.entries(files).every((pair) => pair.every(isCleanPath))) {
      fail(`\`files\` of entry ${index + 1} is not a map from paths to paths, all absolute`);
    }
    return item as unknown as ImageEntry;
  });
}

const isCleanPath = (path: unknown): boolean =>
  typeof path === 'string' && path.startsWith('/') && path.length > 1 && !path.split('/').includes('..');

/** The repository of a reference without registry host, tag and digest: `docker.io/istio/pilot:1.2` -> `istio/pilot`. */
export function repositoryOf(reference: string): string {
  const withoutDigest = reference.split('@')[0] ?? '';
  const parts = withoutDigest.split('/');
  const first = parts[0] ?? '';
  const hasHost = parts.length > 1 && (first.includes('.') || first.includes(':') || first === 'localhost');
  const path = hasHost ? parts.slice(1) : parts;
  const last = path.pop() ?? '';
  return [...path, last.split(':')[0] ?? ''].join('/');
}

/** The first entry that matches the reference, or undefined. */
export function findImage(entries: readonly ImageEntry[], reference: string): ResolvedImage | undefined {
  const repository = repositoryOf(reference);
  const entry = entries.find((each) => matchesGlob(each.match, repository));
  return entry === undefined ? undefined : { ...entry, reference };
}

/** Glob with `*` for any text; linear, no backtracking over the pattern. */
export function matchesGlob(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts.shift() ?? '';
  if (parts.length === 0) return text === first;
  if (!text.startsWith(first)) return false;
  const last = parts.pop() ?? '';
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

/** The argument vector of a container: the pod's command and args override the image's as ENTRYPOINT and CMD do. */
export function argvOf(
  image: ImageEntry,
  container: { command?: readonly string[]; args?: readonly string[] },
  variables: Readonly<Record<string, string>>,
): string[] {
  const imageWords = (words: readonly string[]): string[] => words.map((word) => expandImageWord(word, variables));
  if (container.command !== undefined && container.command.length > 0) {
    return [...container.command, ...(container.args ?? [])];
  }
  const args = container.args !== undefined && container.args.length > 0 ? container.args : undefined;
  return [...imageWords(image.command ?? []), ...(args ?? imageWords(image.args ?? []))];
}

function expandImageWord(word: string, variables: Readonly<Record<string, string>>): string {
  let text = word;
  for (const [name, value] of Object.entries(variables)) text = text.replaceAll(`\${${name}}`, value);
  return text;
}
