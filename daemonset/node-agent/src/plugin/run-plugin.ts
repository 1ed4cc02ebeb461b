// In: one call of the container runtime. Out: what the plugin prints and its status; in between the pod is announced to the node agent.
// Everything outside comes in as functions. Called by plugin/main.ts, a process of its own on the host. No dependencies.
// Source: spec node-agent 6.3; gap G14: exclusions are looked at before anything that can be missing.
import type { EnablementSelector } from '../select/eligible.ts';
import { shouldBeEnrolled } from '../select/eligible.ts';
import type { LocalAnswer } from './local-http.ts';
import { addressesOfResult, type NetworkConfig, parseArguments, parseNetworkConfig } from './network-config.ts';

/** A Kubernetes object as the API sends it. */
export type ApiObject = Parameters<typeof shouldBeEnrolled>[0];

/** Reads a pod and its namespace. Rejects when the API cannot be asked. */
export type ReadPod = (namespace: string, name: string) => Promise<{ pod: ApiObject; namespace: ApiObject }>;

/** The plugin's world. */
export interface PluginWorld {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdin: string;
  /** Prepares the way to the API with what the agent left in its run folder. Throws when that is not there, as after a restart of the node. */
  readonly connect: (runDir: string) => ReadPod;
  /** Posts to a path of the agent; resolves with status and body. Rejects when it is not there. */
  readonly post: (runDir: string, path: string, body: string) => Promise<LocalAnswer>;
  readonly pause: (ms: number) => Promise<void>;
  /** Writes down why a pod could not be added. Never rejects, and takes a second at most. */
  readonly tell: (runDir: string, message: string, fields: Readonly<Record<string, string>>) => Promise<void>;
}

/** What the process prints on stdout and ends with. */
export interface PluginOutcome {
  readonly stdout: string;
  readonly status: 0 | 1;
  /** Why it failed. */
  readonly reason?: string;
}

const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
const ownPodPrefix = 'istio-cni-node-';
const errorCode = 999;
/** Upstream's path, and ours where the agent decides too. */
const addPath = '/cmdadd';
const decidePath = '/ambit/add';
const attempts = { once: 2, retrying: 31 };

const failure = (cniVersion: string, message: string): PluginOutcome => ({
  stdout: JSON.stringify({ cniVersion, code: errorCode, msg: message }),
  status: 1,
  reason: message,
});

const success = ({ cniVersion, previous }: NetworkConfig): PluginOutcome => ({
  stdout: JSON.stringify({ ...previous, cniVersion }),
  status: 0,
});

async function isSelected(
  { pause }: PluginWorld,
  config: NetworkConfig,
  read: ReadPod,
  [namespace, name]: readonly [string, string],
): Promise<boolean> {
  const selectors: readonly EnablementSelector[] = config.selectors;
  const limit = config.retries ? attempts.retrying : attempts.once;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const found = await read(namespace, name);
      return shouldBeEnrolled(found.pod, found.namespace, {
        selectors,
        excludedNamespaces: config.excludedNamespaces,
      });
    } catch (error) {
      if (attempt >= limit) throw error;
      await pause(1000);
    }
  }
}

async function addPod(world: PluginWorld, config: NetworkConfig): Promise<PluginOutcome> {
  const given = parseArguments(world.environment['CNI_ARGS'] ?? '');
  const name = given['K8S_POD_NAME'] ?? '';
  const namespace = given['K8S_POD_NAMESPACE'] ?? '';
  // The agent itself must be able to start when nothing works; what is no pod, or excluded, needs nobody.
  if (name.startsWith(ownPodPrefix) && namespace === config.agentNamespace) return success(config);
  if (name === '' || namespace === '' || config.excludedNamespaces.includes(namespace)) return success(config);
  if (!config.ambientEnabled) return success(config);
  const uid = given['K8S_POD_UID'] ?? '';
  const body = JSON.stringify({
    Netns: world.environment['CNI_NETNS'] ?? '',
    PodName: name,
    PodNamespace: namespace,
    ...(uid === '' ? {} : { PodUid: uid }),
    IPs: addressesOfResult(config.previous),
  });
  const decided = await askAgent(world, config.runDir, body);
  return decided === undefined ? addByOwnDecision(world, config, [namespace, name], body) : outcomeOf(config, decided);
}

/** Lets the agent decide. Undefined when it is not there, is another make's, or does not know the pod yet. */
async function askAgent(world: PluginWorld, runDir: string, body: string): Promise<LocalAnswer | undefined> {
  try {
    const answer = await world.post(runDir, decidePath, body);
    return answer.status === 404 ? undefined : answer;
  } catch {
    return undefined; // the way over the API tells what is wrong, and lets pods start that do not belong in the mesh
  }
}

const outcomeOf = (config: NetworkConfig, { status, body }: LocalAnswer): PluginOutcome =>
  status === 200
    ? success(config)
    : failure(
        config.cniVersion,
        `istio-cni cmdAdd failed to contact node Istio CNI agent: status ${status}: ${body.trim()}`,
      );

/** Decides as upstream's plugin does: with the pod and its namespace from the API. */
async function addByOwnDecision(
  world: PluginWorld,
  config: NetworkConfig,
  [namespace, name]: readonly [string, string],
  body: string,
): Promise<PluginOutcome> {
  let read: ReadPod;
  try {
    read = world.connect(config.runDir);
  } catch (error) {
    // The agent has not started yet. The runtime tries the pod again; waiting here would only keep it busy.
    return failure(config.cniVersion, `istio-cni waits for the node agent: ${text(error)}`);
  }
  let selected: boolean;
  try {
    selected = await isSelected(world, config, read, [namespace, name]);
  } catch (error) {
    // A pod that may belong in the mesh must not start outside of it, unless the operator chose so.
    if (config.retries)
      return failure(config.cniVersion, `istio-cni cannot tell whether the pod is in the mesh: ${text(error)}`);
    return success(config);
  }
  if (!selected) return success(config);
  try {
    return outcomeOf(config, await world.post(config.runDir, addPath, body));
  } catch (error) {
    return failure(config.cniVersion, `istio-cni cmdAdd failed to contact node Istio CNI agent: ${text(error)}`);
  }
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs one command. Never rejects: every failure is a CNI error. DEL and CHECK succeed without looking at anything. */
export async function runPlugin(world: PluginWorld): Promise<PluginOutcome> {
  const command = world.environment['CNI_COMMAND'] ?? '';
  if (command === 'VERSION') return { stdout: JSON.stringify({ cniVersion: '1.1.0', supportedVersions }), status: 0 };
  if (command !== 'ADD') return { stdout: '', status: 0 };
  let config: NetworkConfig;
  try {
    config = parseNetworkConfig(world.stdin);
  } catch (error) {
    return failure('0.3.1', `istio-cni cannot read its configuration: ${text(error)}`);
  }
  const outcome = await addPod(world, config);
  if (outcome.reason !== undefined) {
    const given = parseArguments(world.environment['CNI_ARGS'] ?? '');
    await world.tell(config.runDir, outcome.reason, {
      name: given['K8S_POD_NAME'] ?? '',
      ns: given['K8S_POD_NAMESPACE'] ?? '',
      netns: world.environment['CNI_NETNS'] ?? '',
    });
  }
  return outcome;
}
