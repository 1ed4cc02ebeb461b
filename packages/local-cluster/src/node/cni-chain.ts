// The chain of CNI plugins of one node (netns mode). Comes in: a pod whose network this runtime has made. Goes out: every further plugin of
// the node's configuration asked, by the CNI protocol, before the pod's containers start. Called by `netns-sandbox.ts`. Main thread.
// The first plugin of the list is this runtime itself, under the name of `BASE_PLUGIN`; it is never run as a program. Plugins run in the
// node's network namespace and see the node's own /var/run/istio-cni. Source: spec local-cluster 10.5, CNI specification 1.0.0.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { LocalClusterError } from '../errors.ts';

/** Where a node's plugins are and what they may use. */
export interface CniNode {
  /** Folder of this node's own host paths. */
  readonly nodeDir: string;
  /** Name of the node's network namespace. */
  readonly netns: string;
  readonly ambitHome: string;
  readonly nodeBinary: string;
}

/** The pod that plugins are asked about. */
export interface CniPod {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly sandboxId: string;
  /** Name of the pod's network namespace. */
  readonly netns: string;
  readonly ip: string;
  readonly gateway: string;
}

type Json = Readonly<Record<string, unknown>>;

interface PluginList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly (Json & { readonly type: string })[];
}

/** Type of the plugin that is built in. */
export const BASE_PLUGIN = 'ambit-local';
const BASE_FILE = '10-ambit-local.conflist';
const CONFIG_FOLDER = 'etc/cni/net.d';
const BINARY_FOLDER = 'opt/cni/bin';
const RUN_FOLDER = 'var/run/istio-cni';
const PLUGIN_TIMEOUT_MS = 45_000;
const MAX_OUTPUT_BYTES = 1 << 20;
// Only /run changes, and only for the plugin: it becomes a folder of its own that shows the node's run folder.
const SCRIPT =
  'cd "$1" && mount -t tmpfs -o mode=0755,size=1m tmpfs /run && mkdir /run/istio-cni && mount --bind . /run/istio-cni && cd / && exec "$2"';

/** Writes the node's configuration with the built-in plugin alone, unless the node has one. */
export function writeBaseChain(nodeDir: string): void {
  const folder = join(nodeDir, CONFIG_FOLDER);
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).some((name) => name.endsWith('.conflist'))) return;
  const list = { cniVersion: '1.0.0', name: BASE_PLUGIN, plugins: [{ type: BASE_PLUGIN }] };
  writeFileSync(join(folder, BASE_FILE), `${JSON.stringify(list, undefined, 2)}\n`, { mode: 0o600 });
}

/** Reads one configuration; undefined when it is none. Pure. */
export function parsePluginList(text: string): PluginList | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { name, cniVersion, plugins } = (typeof value === 'object' && value !== null ? value : {}) as Json;
  if (typeof name !== 'string' || !Array.isArray(plugins)) return undefined;
  const isPlugin = (plugin: unknown): plugin is Json & { type: string } => {
    const type = typeof plugin === 'object' && plugin !== null ? (plugin as Json)['type'] : undefined;
    // The type becomes a file name.
    return typeof type === 'string' && type !== '' && !type.includes('/') && !type.startsWith('.');
  };
  if (!plugins.every(isPlugin)) return undefined;
  return { name, cniVersion: typeof cniVersion === 'string' ? cniVersion : '1.0.0', plugins };
}

function currentList(nodeDir: string): PluginList | undefined {
  const folder = join(nodeDir, CONFIG_FOLDER);
  for (const name of readdirSync(folder).toSorted()) {
    if (!name.endsWith('.conflist')) continue;
    const list = parsePluginList(readFileSync(join(folder, name), 'utf8'));
    if (list !== undefined) return list;
  }
  return undefined;
}

/** Environment of a plugin. Pure. */
export function pluginEnvironment(command: 'ADD' | 'DEL', pod: CniPod, node: CniNode): Record<string, string> {
  return {
    CNI_COMMAND: command,
    CNI_CONTAINERID: pod.sandboxId,
    CNI_NETNS: `/var/run/netns/${pod.netns}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: join(node.nodeDir, BINARY_FOLDER),
    CNI_ARGS: [
      'IgnoreUnknown=1',
      `K8S_POD_NAMESPACE=${pod.namespace}`,
      `K8S_POD_NAME=${pod.name}`,
      `K8S_POD_INFRA_CONTAINER_ID=${pod.sandboxId}`,
      `K8S_POD_UID=${pod.uid}`,
    ].join(';'),
    PATH: `${dirname(node.nodeBinary)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    AMBIT_HOME: node.ambitHome,
  };
}

/** What a failed plugin said, in the words of its error object when there is one. Pure. */
export function failureText(stdout: string, stderr: string, status: string): string {
  try {
    const { msg, details } = JSON.parse(stdout) as { msg?: unknown; details?: unknown };
    if (typeof msg === 'string') return typeof details === 'string' && details !== '' ? `${msg}; ${details}` : msg;
  } catch {
    // No error object: what it wrote elsewhere has to do.
  }
  return stderr.trim() === '' ? status : stderr.trim();
}

async function runPlugin(
  node: CniNode,
  type: string,
  environment: Record<string, string>,
  input: string,
): Promise<string> {
  const runFolder = join(node.nodeDir, RUN_FOLDER);
  mkdirSync(runFolder, { recursive: true });
  const inner = ['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', SCRIPT, 'cni', runFolder];
  const child = spawn(
    'nsenter',
    [`--net=/run/netns/${node.netns}`, ...inner, join(node.nodeDir, BINARY_FOLDER, type)],
    {
      env: environment,
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: PLUGIN_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    },
  );
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (output[name].length < MAX_OUTPUT_BYTES) output[name] += text;
    });
  child.stdin.on('error', () => undefined); // a plugin may end before it read everything
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown): void =>
      reject(new LocalClusterError('ERR_LOCAL_CLUSTER_COMMAND', `plugin type="${type}" failed: ${why}`, { cause }));
    child.once('error', (error) => fail(error.message, error));
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output.stdout);
      else fail(failureText(output.stdout, output.stderr, `status ${code ?? signal ?? '?'}`));
    });
  });
}

/**
 * Asks every plugin behind the built-in one, in order. Rejects with ERR_LOCAL_CLUSTER_COMMAND and the plugin's own words: the pod must not
 * start then.
 */
export async function addToChain(node: CniNode, pod: CniPod): Promise<void> {
  const list = currentList(node.nodeDir);
  let result: unknown = {
    cniVersion: list?.cniVersion,
    interfaces: [{ name: 'eth0', sandbox: `/var/run/netns/${pod.netns}` }],
    ips: [{ address: `${pod.ip}/32`, gateway: pod.gateway, interface: 0 }],
  };
  for (const plugin of list?.plugins ?? []) {
    if (plugin.type === BASE_PLUGIN) continue;
    const input = JSON.stringify({ ...plugin, name: list?.name, cniVersion: list?.cniVersion, prevResult: result });
    const stdout = await runPlugin(node, plugin.type, pluginEnvironment('ADD', pod, node), input);
    if (stdout.trim() !== '') result = JSON.parse(stdout);
  }
}

/** Tells every plugin, in reverse order, that the pod goes. Failures are logged: a pod must always be able to go. */
export async function deleteFromChain(node: CniNode, pod: CniPod, log: Logger): Promise<void> {
  const list = currentList(node.nodeDir);
  for (const plugin of (list?.plugins ?? []).toReversed()) {
    if (plugin.type === BASE_PLUGIN) continue;
    const input = JSON.stringify({ ...plugin, name: list?.name, cniVersion: list?.cniVersion });
    try {
      await runPlugin(node, plugin.type, pluginEnvironment('DEL', pod, node), input);
    } catch (error) {
      log.debug('CNI plugin did not take a deletion', { plugin: plugin.type, error: messageOf(error) });
    }
  }
}
