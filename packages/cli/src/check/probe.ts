// `ambit check --probe`: real traffic between pods of the mesh (spec user-tools 2.6). In: a cluster. Out: a finding for each pair of nodes:
// did the server answer, how long the first tunnel took, was it mTLS, with which identities. Called by run.ts.
// A namespace of its own with one server and one client per node, removed at the end whatever happens.
import type { KubernetesObject } from '@ambit/resources';
import { nodeOf, nodeProxies } from '../agent/choose.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, nameOf, specOf, statusOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { type Sample, samplesOf } from '../traffic/samples.ts';
import type { Finding } from './finding.ts';
import { clientName, pairsOf, probeNamespace, probePod, probePort, serverName } from './probe-pods.ts';

/** What the client prints for each target. */
interface ProbeResult {
  readonly target: string;
  readonly answeredBy: string;
  readonly elapsedMs: number;
  readonly error: string;
}

/** One probed direction. */
export interface ProbedPair {
  readonly from: string;
  readonly to: string;
  readonly client: string;
  readonly server: string;
  /** Undefined where the client said nothing of it. */
  readonly result: ProbeResult | undefined;
}

const WAIT_MS = 120_000;
/** How long counters may take until they show a connection; they are reported once a second. */
const COUNTERS_MS = 20_000;
/** How long a client asks. */
const ASK_MS = 20_000;
/** Nodes that each node is probed towards. */
const MOST_TARGETS = 10;
const COUNTER = 'istio_tcp_connections_opened_total';

/** Image of the waypoint, as the control plane deploys it. */
async function imageOf(api: OpenedCluster): Promise<string> {
  const [controlPlane] = await api.list(kinds.deployment, {
    namespace: api.istioNamespace,
    labelSelector: 'app=istiod',
  });
  if (controlPlane === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', 'no control plane is there', { hint: 'ambit install' });
  const { template } = specOf(controlPlane) as {
    template?: { spec?: { containers?: readonly { env?: readonly { name: string; value?: string }[] }[] } };
  };
  const variables = template?.spec?.containers?.[0]?.env ?? [];
  const image = variables.find(({ name }) => name === 'AMBIT_PROXY_IMAGE')?.value;
  if (image !== undefined) return image;
  throw new CliError('ERR_CLI_NOT_FOUND', 'the control plane names no image that can probe', {
    hint: 'AMBIT_PROXY_IMAGE of Deployment istiod; another implementation has none',
  });
}

/** A text field of the status; empty when absent. */
function statusText(pod: KubernetesObject, name: string): string {
  const value = statusOf(pod)[name];
  return typeof value === 'string' ? value : '';
}

const ipOf = (pod: KubernetesObject): string => statusText(pod, 'podIP');

/** `host:port`, for both families. */
const targetOf = (ip: string): string => (ip.includes(':') ? `[${ip}]:${probePort}` : `${ip}:${probePort}`);

const isServing = (pod: KubernetesObject): boolean =>
  conditionOf(pod, 'Ready')?.status === 'True' && pod.metadata?.annotations?.[labels.redirection] === 'enabled';

const hasEnded = (pod: KubernetesObject): boolean => ['Succeeded', 'Failed'].includes(statusText(pod, 'phase'));

/** Waits for pods by name; says which is late and why. */
async function waitFor(
  api: OpenedCluster,
  namespace: string,
  what: string,
  names: readonly string[],
  isThere: (pod: KubernetesObject) => boolean,
  onMissing: (text: string) => void,
): Promise<readonly KubernetesObject[]> {
  return waitUntil(
    what,
    WAIT_MS,
    async () => {
      const pods = await api.list(kinds.pod, { namespace });
      const found = names.map((name) => pods.find((pod) => nameOf(pod) === name));
      const late = names.find((_, index) => {
        const pod = found[index];
        return pod === undefined || !isThere(pod);
      });
      if (late === undefined) return { value: found.filter((pod) => pod !== undefined) };
      const pod = pods.find((one) => nameOf(one) === late);
      const phase = pod === undefined ? 'not created' : statusText(pod, 'phase') || 'Pending';
      return { missing: `${what}: pod ${late} is ${phase}` };
    },
    { onMissing, hint: `kubectl -n ${namespace} describe pods` },
  );
}

/** The lines of a client that are results; anything else is left out. */
export function resultsOf(log: string): readonly ProbeResult[] {
  return log.split('\n').flatMap((line): readonly ProbeResult[] => {
    if (!line.startsWith('{')) return [];
    try {
      return [JSON.parse(line) as ProbeResult];
    } catch {
      return [];
    }
  });
}

/** What node proxies counted of a client at the destination: the identities, and whether it was mTLS. */
export function seenBy(
  samples: readonly Sample[],
  namespace: string,
  pair: ProbedPair,
): ReadonlyMap<string, string> | undefined {
  return samples.find(
    ({ labels: of, value }) =>
      value > 0 &&
      of.get('reporter') === 'destination' &&
      of.get('source_workload_namespace') === namespace &&
      of.get('source_workload') === pair.client &&
      of.get('destination_workload') === pair.server,
  )?.labels;
}

/** What a pair comes to. Pure. */
export function probeFinding(pair: ProbedPair, seen: ReadonlyMap<string, string> | undefined): Finding {
  const way = `${pair.from} -> ${pair.to}`;
  const { result } = pair;
  const failed = (text: string, hint: string): Finding => ({
    category: 'probe',
    state: 'failed',
    text: `${way}: ${text}`,
    hint,
  });
  if (result === undefined) return failed('the client said nothing', 'ambit check node-proxy node-agent');
  if (result.error !== '')
    return failed(`no answer: ${result.error}`, `ambit node logs ${pair.from}, ambit node logs ${pair.to}`);
  if (result.answeredBy !== pair.server)
    return failed(`${result.answeredBy} answered instead`, 'kubectl get pods -A -o wide');
  const ms = `${Math.round(result.elapsedMs)} ms`;
  if (seen === undefined)
    return {
      category: 'probe',
      state: 'warning',
      text: `${way}: answered in ${ms}, but its node proxy counted no connection`,
      hint: `ambit node status ${pair.to}`,
    };
  if (seen.get('connection_security_policy') !== 'mutual_tls')
    return failed(`answered in ${ms} without mTLS`, `ambit node logs ${pair.to}`);
  const identity = seen.get('source_principal') ?? '';
  return identity.endsWith(`/sa/${pair.client}`)
    ? { category: 'probe', state: 'ok', text: `${way}: mTLS as ${identity}, answered in ${ms}` }
    : failed(`it came as ${identity || 'nobody'}`, 'ambit agent certificates');
}

async function countersOf(api: OpenedCluster): Promise<readonly Sample[]> {
  const texts = await Promise.all(
    (await nodeProxies(api, api.istioNamespace)).map(async (pod) =>
      api.askPod({ namespace: api.istioNamespace, name: nameOf(pod), port: 15_020, path: '/stats/prometheus' }).then(
        ({ body }) => body,
        () => '',
      ),
    ),
  );
  return texts.flatMap((text) => samplesOf(text, new Set([COUNTER])));
}

async function probeIn(
  api: OpenedCluster,
  namespace: string,
  onMissing: (text: string) => void,
): Promise<readonly Finding[]> {
  const nodes = (await nodeProxies(api, api.istioNamespace)).map(nodeOf);
  if (nodes.length === 0) throw new CliError('ERR_CLI_NOT_FOUND', 'there is no node proxy', { hint: 'ambit install' });
  const image = await imageOf(api);
  await api.apply(probeNamespace(namespace));
  for (const [index, node] of nodes.entries()) {
    const name = serverName(index);
    const args = ['probe', '--serve', String(probePort), '--name', name];
    for (const object of probePod({ namespace, name, node, image, args, isServer: true })) await api.apply(object);
  }
  const servers = await waitFor(
    api,
    namespace,
    'servers',
    nodes.map((_, index) => serverName(index)),
    isServing,
    onMissing,
  );
  const pairs = pairsOf(nodes.length, MOST_TARGETS);
  for (const [index, node] of nodes.entries()) {
    const targets = pairs.flatMap(([from, to]) => (from === index ? [targetOf(ipOf(servers[to] ?? {}))] : []));
    const args = ['probe', '--timeout', String(ASK_MS), ...targets];
    const name = clientName(index);
    for (const object of probePod({ namespace, name, node, image, args, isServer: false })) await api.apply(object);
  }
  await waitFor(
    api,
    namespace,
    'clients',
    nodes.map((_, index) => clientName(index)),
    hasEnded,
    onMissing,
  );
  const results = await Promise.all(
    nodes.map(async (_, index) => resultsOf(await api.podLog({ namespace, name: clientName(index) }))),
  );
  const probed = pairs.map(([from, to]): ProbedPair => {
    const target = targetOf(ipOf(servers[to] ?? {}));
    return {
      from: nodes[from] ?? '',
      to: nodes[to] ?? '',
      client: clientName(from),
      server: serverName(to),
      result: results[from]?.find((result) => result.target === target),
    };
  });
  // Counters reach the exposition a moment after the traffic.
  let findings: readonly Finding[] = [];
  await waitUntil(
    'counters',
    COUNTERS_MS,
    async () => {
      const samples = await countersOf(api);
      findings = probed.map((pair) => probeFinding(pair, seenBy(samples, namespace, pair)));
      return findings.some(({ state }) => state === 'warning') ? { missing: 'counters' } : { value: true };
    },
    { onMissing },
  ).catch(() => undefined);
  return findings;
}

const PREFIX = 'ambit-probe-';

/** Probes, and removes what it made, also by an earlier run that was stopped. */
export async function probeChecks(api: OpenedCluster): Promise<readonly Finding[]> {
  for (const name of (await api.list(kinds.namespace)).map(nameOf).filter((one) => one.startsWith(PREFIX)))
    await api.delete({ ...kinds.namespace, name });
  const namespace = `${PREFIX}${Date.now().toString(36)}`;
  const progress = startProgress('probing between the nodes');
  try {
    return await probeIn(api, namespace, progress.update);
  } finally {
    await api.delete({ ...kinds.namespace, name: namespace });
    progress.done();
  }
}
