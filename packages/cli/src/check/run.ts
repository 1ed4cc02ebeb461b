// In: a cluster. Out: one line per check with what to do, and the exit status 0 or 3. Called by command.ts.
import type { KubernetesObject } from '@ambit/resources';
import type { ClusterApi } from '../cluster/cluster-api.ts';
import { kinds, labels } from '../cluster/kinds.ts';
import { conditionOf, isRolledOut, nameOf, numberIn, statusOf } from '../cluster/object-fields.ts';
import { captureOf } from '../mesh/capture.ts';
import { isWaypoint } from '../waypoint/gateway.ts';

/** Result of one check. */
export interface Finding {
  readonly category: string;
  readonly state: 'ok' | 'warning' | 'failed';
  readonly text: string;
  readonly hint?: string;
}

type Check = (api: ClusterApi, namespace: string) => Promise<readonly Finding[]>;

const kubernetesApi: Check = async (api) => [
  { category: 'kubernetes-api', state: 'ok', text: `reachable at ${api.server}, version ${await api.version()}` },
];

const gatewayDefinitions: Check = async (api) => {
  const names = ['gateways.gateway.networking.k8s.io', 'httproutes.gateway.networking.k8s.io'];
  const stored = await Promise.all(names.map(async (name) => api.get({ ...kinds.definition, name })));
  return names.map((name, index): Finding =>
    stored[index] === undefined
      ? {
          category: 'gateway-api-crds',
          state: 'failed',
          text: `definition ${name} is missing`,
          hint: 'ambit install, or apply the Gateway API bundle',
        }
      : { category: 'gateway-api-crds', state: 'ok', text: `definition ${name} is there` },
  );
};

async function workload(
  api: ClusterApi,
  category: string,
  kind: 'deployment' | 'daemonSet',
  namespace: string,
  name: string,
): Promise<Finding> {
  const object = await api.get({ ...kinds[kind], namespace, name });
  const what = `${kinds[kind].kind} ${namespace}/${name}`;
  if (object === undefined) return { category, state: 'failed', text: `${what} does not exist`, hint: 'ambit install' };
  const status = statusOf(object);
  const ready = kind === 'deployment' ? numberIn(status, 'readyReplicas') : numberIn(status, 'numberReady');
  const wanted = kind === 'deployment' ? numberIn(status, 'replicas') : numberIn(status, 'desiredNumberScheduled');
  if (isRolledOut(object)) return { category, state: 'ok', text: `${what} ${ready}/${wanted} ready` };
  return {
    category,
    state: 'failed',
    text: `${what} ${ready}/${wanted} ready`,
    hint: `kubectl -n ${namespace} describe ${kind.toLowerCase()} ${name}`,
  };
}

const components: Check = async (api, namespace) =>
  Promise.all([
    workload(api, 'control-plane', 'deployment', namespace, 'istiod'),
    workload(api, 'node-agent', 'daemonSet', namespace, 'istio-cni-node'),
    workload(api, 'node-proxy', 'daemonSet', namespace, 'ztunnel'),
  ]);

async function redirectionOf(api: ClusterApi, namespace: KubernetesObject): Promise<Finding> {
  const pods = await api.list(kinds.pod, { namespace: nameOf(namespace) });
  const waiting = pods.flatMap((pod) => {
    const capture = captureOf(pod, namespace);
    return capture.kind === 'waiting' ? [`${nameOf(pod)}: ${capture.reason}`] : [];
  });
  const captured = pods.filter((pod) => captureOf(pod, namespace).kind === 'captured').length;
  if (waiting.length === 0)
    return {
      category: 'redirection',
      state: 'ok',
      text: `namespace ${nameOf(namespace)}: ${captured}/${pods.length} pods captured`,
    };
  return {
    category: 'redirection',
    state: 'failed',
    text: `namespace ${nameOf(namespace)}: ${waiting.join('; ')}`,
    hint: 'kubectl -n istio-system logs ds/istio-cni-node',
  };
}

const redirection: Check = async (api) => {
  const namespaces = (await api.list(kinds.namespace)).filter(
    (namespace) => namespace.metadata?.labels?.[labels.dataplaneMode] === 'ambient',
  );
  return Promise.all(namespaces.map(async (namespace) => redirectionOf(api, namespace)));
};

const waypoints: Check = async (api) => {
  const gateways = (await api.list(kinds.gateway)).filter(isWaypoint);
  return gateways.map((gateway): Finding => {
    const programmed = conditionOf(gateway, 'Programmed');
    const what = `waypoint ${gateway.metadata?.namespace ?? ''}/${nameOf(gateway)}`;
    if (programmed?.status === 'True') return { category: 'waypoints', state: 'ok', text: `${what} is programmed` };
    return {
      category: 'waypoints',
      state: 'failed',
      text: `${what}: ${programmed?.message ?? 'no status yet'}`,
      hint: 'ambit waypoint status -A',
    };
  });
};

const danglingLabels: Check = async (api) => {
  const names = new Set(
    (await api.list(kinds.gateway))
      .filter(isWaypoint)
      .map((gateway) => `${gateway.metadata?.namespace ?? ''}/${nameOf(gateway)}`),
  );
  const namespaces = await api.list(kinds.namespace);
  return namespaces.flatMap((namespace): readonly Finding[] => {
    const used = namespace.metadata?.labels?.[labels.useWaypoint];
    if (used === undefined || used === 'none') return [];
    const home = namespace.metadata?.labels?.['istio.io/use-waypoint-namespace'] ?? nameOf(namespace);
    if (names.has(`${home}/${used}`)) return [];
    return [
      {
        category: 'dangling-labels',
        state: 'warning',
        text: `namespace ${nameOf(namespace)} names the waypoint ${home}/${used}, which does not exist`,
        hint: `ambit waypoint apply -n ${home} --name ${used}`,
      },
    ];
  });
};

const marks = { ok: 'ok', warning: '!!', failed: 'xx' } as const;

/** One line per finding, under its category, with a status line at the end. Pure. */
export function renderFindings(findings: readonly Finding[]): string {
  const lines: string[] = [];
  let category = '';
  for (const finding of findings) {
    if (finding.category !== category) lines.push((category = finding.category));
    lines.push(
      `  ${marks[finding.state]}  ${finding.text}`,
      ...(finding.hint === undefined ? [] : [`      try: ${finding.hint}`]),
    );
  }
  const count = (state: Finding['state']): number => findings.filter((finding) => finding.state === state).length;
  lines.push(`Status: ${count('ok')} ok, ${count('warning')} warnings, ${count('failed')} failed`);
  return lines.join('\n');
}

/** Runs the checks and prints them. Returns the exit status. */
export async function runChecks(
  api: ClusterApi,
  options: { readonly namespace: string; readonly pre: boolean; readonly format: string },
): Promise<0 | 3> {
  const checks = options.pre
    ? [kubernetesApi]
    : [kubernetesApi, gatewayDefinitions, components, redirection, waypoints, danglingLabels];
  const findings: Finding[] = [];
  for (const check of checks) findings.push(...(await check(api, options.namespace)));
  const failed = findings.some((finding) => finding.state === 'failed');
  process.stdout.write(
    options.format === 'json'
      ? `${JSON.stringify({ apiVersion: 'cli.ambit/v1', kind: 'CheckReport', findings }, undefined, 2)}\n`
      : `${renderFindings(findings)}\n`,
  );
  return failed ? 3 : 0;
}
