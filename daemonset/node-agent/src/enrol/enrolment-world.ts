// A node without a kernel, for the tests of this folder: an API, a node proxy and rules that only write down what they are told, in one list,
// so that a test reads the order of things. In: pods, what fails. Out: that list, and the parts of the agent around it.
import type { NetnsHandle } from '@ambit/net';
import type { KubernetesObject } from '@ambit/resources';
import { silentLogger } from '@ambit/runtime/log';
import type { PodEvent, PodSource } from '../cluster/pod-source.ts';
import { NodeAgentError } from '../errors.ts';
import type { HostBackend } from '../rules/host-backend.ts';
import { HostRules } from '../rules/host.ts';
import { type SelectionRules, standardSelectors } from '../select/eligible.ts';
import type { ZdsChannel } from '../zds/channel.ts';
import { UnprotectedConnections } from '../unprotected/connections.ts';
import { ZdsServer } from '../zds/server.ts';
import { scriptedProxy } from '../zds/testing.ts';
import type { CaptureBackend } from './capture-backend.ts';
import { NetnsCache } from './netns-cache.ts';
import { Reconciler } from './reconciler.ts';
import { Enrolment } from './sequence.ts';
import { redirectionAnnotation } from './status.ts';

/** Steps that a test can make fail: named as in the list, with or without the pod (`rules`, `rules a`). */
type Failing = Set<string>;

/** A pod as the API has it. `state`: its annotation. */
export function podOf(
  uid: string,
  { ips = ['10.0.0.1'], phase = 'Running', state, labels = { 'istio.io/dataplane-mode': 'ambient' } }: PodShape = {},
): KubernetesObject {
  return {
    metadata: {
      uid,
      name: uid,
      namespace: 'shop',
      labels,
      ...(state === undefined ? {} : { annotations: { [redirectionAnnotation]: state } }),
    },
    spec: { serviceAccountName: 'sa' },
    status: { phase, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  };
}

interface PodShape {
  readonly ips?: readonly string[];
  readonly phase?: string;
  readonly state?: 'enabled' | 'pending';
  readonly labels?: Readonly<Record<string, string>>;
}

/** A namespace handle that says whether it is open. */
export function handleOf(inode: bigint): NetnsHandle & { readonly isOpen: boolean } {
  let isOpen = true;
  return {
    fd: Number(inode),
    inode,
    get isOpen() {
      return isOpen;
    },
    close: () => (isOpen = false),
  };
}

/** A node proxy that acknowledges everything that does not fail. */
function proxyOf(did: string[], failing: Failing): ZdsChannel {
  const { channel } = scriptedProxy({
    carriesDescriptors: true,
    answer: (request) => {
      const [kind = ''] = request.split(' ');
      if (kind !== 'snapshotSent') did.push(`proxy-${request}`);
      return failing.has(`proxy-${kind}`) || failing.has(`proxy-${request}`) ? 'it does not want to' : '';
    },
  });
  return channel;
}

const printed = { rules: 'rules', way: '', generation: undefined };

/** The world. */
export interface EnrolmentWorld {
  /** What was done, in order: `rules a`, `proxy-add a`, `probes 10.0.0.1=a`, `state a enabled`, ... */
  readonly did: string[];
  /** Names of steps that fail from now on. */
  readonly failing: Failing;
  readonly pods: Map<string, KubernetesObject>;
  readonly events: PodEvent[];
  /** Labels of namespaces, by name. */
  readonly labels: Map<string, Readonly<Record<string, string>>>;
  readonly rules: SelectionRules;
  /** Namespaces that the process table shows, by UID. */
  readonly namespaces: Map<string, bigint>;
  readonly cache: NetnsCache;
  readonly zds: ZdsServer;
  readonly capture: CaptureBackend;
  readonly source: PodSource;
  readonly unprotected: UnprotectedConnections;
  readonly enrolment: Enrolment;
  readonly reconciler: Reconciler;
  /** What an earlier agent left of the node's rules. */
  hostPrint: string;
  /** Connects a node proxy; resolves when it has its snapshot. */
  readonly connectProxy: () => Promise<void>;
  /** Resolves when the list has a line. Rejects after 10 s. */
  readonly until: (line: string) => Promise<void>;
}

/** Makes a world in which nothing fails, with these pods and no node proxy. `selection`: other rules than the standard ones. */
export function enrolmentWorld(
  pods: readonly KubernetesObject[],
  selection: Partial<SelectionRules> = {},
): EnrolmentWorld {
  const did: string[] = [];
  const failing: Failing = new Set();
  const objects = new Map(pods.map((pod) => [pod.metadata?.uid ?? '', pod]));
  const namespaces = new Map([...objects.keys()].map((uid, index) => [uid, BigInt(index + 1)]));
  const labels = new Map<string, Readonly<Record<string, string>>>([['shop', {}]]);
  const rules = { selectors: standardSelectors, excludedNamespaces: [], systemNamespace: 'istio-system', ...selection };
  const events: PodEvent[] = [];
  const step = async (name: string, what: string): Promise<void> => {
    if (failing.has(name) || failing.has(`${name} ${what}`))
      throw new NodeAgentError('ERR_NODE_AGENT_RULES', `${name} ${what} failed`);
    did.push(`${name} ${what}`);
  };
  const source: PodSource = {
    start: async () => undefined,
    pods: () => [...objects.values()],
    namespace: (name) => {
      const own = labels.get(name);
      return own === undefined ? undefined : { metadata: { name, labels: own } };
    },
    patchPodStatus: async (pod, patch) => {
      const { annotations } = (patch as { metadata: { annotations: Record<string, string | null> } }).metadata;
      await step('state', `${pod.metadata?.uid ?? ''} ${annotations[redirectionAnnotation] ?? 'none'}`);
    },
    tell: async (_pod, event) => void events.push(event),
    fateOfOwnDaemonSet: async () => 'keep',
    watchPods: () => undefined,
    deletePod: async () => undefined,
    labelPod: async () => undefined,
    close: () => undefined,
  };
  const host: HostBackend = {
    name: 'nftables',
    write: async (owners) => step('probes', [...owners].map(([ip, uid]) => `${ip}=${uid}`).join(' ')),
    clear: async () => undefined,
    print: async () => world.hostPrint,
  };
  const capture: CaptureBackend = {
    hasNamespaces: true,
    host: new HostRules(host, silentLogger),
    find: (wanted) =>
      new Map(
        wanted.flatMap(({ uid }) => {
          const inode = namespaces.get(uid);
          return inode === undefined ? [] : [[uid, handleOf(inode)] as const];
        }),
      ),
    openPath: (path) => handleOf(BigInt(path.length)),
    // The tables of a pod are read inside its namespace; here there is none to enter.
    connections: () => [],
    uncarried: () => [],
    prepare: async ({ uid }) => step('prepare', uid),
    installRules: async ({ uid }) => {
      await step('rules', uid);
      return printed;
    },
    removeRules: async ({ uid }) => step('no-rules', uid),
    printRules: async () => printed,
  };
  const cache = new NetnsCache();
  const zds = new ZdsServer({
    pods: cache,
    onProxies: () => undefined,
    onServed: () => reconciler.retryNow(),
    log: silentLogger,
  });
  const log = silentLogger;
  const unprotected = new UnprotectedConnections();
  const enrolment = new Enrolment({ cache, zds, source, capture, unprotected, log });
  const reconciler = new Reconciler({ source, enrolment, rules, log, onEvent: () => undefined });
  const world: EnrolmentWorld = {
    hostPrint: '',
    did,
    failing,
    pods: objects,
    events,
    labels,
    rules,
    namespaces,
    cache,
    zds,
    capture,
    source,
    unprotected,
    enrolment,
    reconciler,
    async connectProxy() {
      zds.accept(proxyOf(did, failing));
      while (zds.states().at(-1)?.hasSnapshot !== true) await new Promise((resolve) => setImmediate(resolve));
    },
    async until(line) {
      const end = Date.now() + 10_000;
      while (!did.includes(line)) {
        if (Date.now() > end) throw new Error(`no "${line}" in\n${did.join('\n')}`);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  };
  return world;
}
