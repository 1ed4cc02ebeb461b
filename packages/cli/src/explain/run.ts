// `ambit explain`. In: a source, a destination, a request. Out: why it is allowed or denied, and the exit status. Called by command.ts.
import { findServiceByHostname, type Snapshot, type Workload } from '@ambit/state';
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference, type Reference, splitPort } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';
import { exitStatus } from '../output/exit-status.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { toned } from '../output/style.ts';
import { decide, type Verdict } from './decide.ts';
import { loadWorld } from './load-world.ts';

/** Flags of the command. */
export interface ExplainFlags {
  readonly method?: string;
  readonly path?: string;
  readonly header?: readonly string[];
  readonly output: string;
}

function workloadOf(snapshot: Snapshot, pod: KubernetesObject): Workload {
  for (const workload of snapshot.workloads.values()) {
    if (workload.name === nameOf(pod) && workload.namespace === namespaceOf(pod)) return workload;
  }
  throw new CliError('ERR_CLI_NOT_FOUND', `the control plane has no record of pod ${namespaceOf(pod)}/${nameOf(pod)}`, {
    hint: 'has it an address? kubectl get pod -o wide',
  });
}

const isCaptured = (pod: KubernetesObject): boolean => pod.metadata?.annotations?.[labels.redirection] === 'enabled';

async function firstPod(api: OpenedCluster, text: string): Promise<KubernetesObject> {
  const [pod] = await resolvePods(api, parseReference(text), api.namespace);
  if (pod === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${text}" has no running pod`, { hint: 'kubectl get pods -A -o wide' });
  return pod;
}

function serviceAddress(snapshot: Snapshot, name: string, namespace: string, domain: string): string | undefined {
  const service =
    findServiceByHostname(snapshot, `${name}.${namespace}.svc.${domain}`, namespace) ??
    snapshot.services.get(`${namespace}/${name}.${namespace}.svc.${domain}`);
  return service?.vips[0]?.ip;
}

interface Destination {
  readonly ip: string;
  readonly host: string;
  readonly port: number;
}

/** Whether a host name is one of a service of the cluster: `name.namespace.svc`, with or without the domain. */
const isClusterHost = (hostname: string, domain: string): boolean =>
  hostname.endsWith('.svc') || hostname.endsWith(`.svc.${domain}`);

/** The only port of a service, when none is named. */
async function portOf(api: OpenedCluster, name: string, namespace: string): Promise<number> {
  const service = await api.get({ ...kinds.service, name, namespace });
  const ports = ((service?.['spec'] ?? {}) as { ports?: readonly { readonly port: number }[] }).ports ?? [];
  const [first] = ports;
  if (first === undefined || ports.length > 1)
    throw new CliError('ERR_CLI_INVALID', `which port of ${name}?`, {
      hint: `one of ${ports.map(({ port }) => port).join(', ') || 'its ports'}, as ${name}:PORT`,
    });
  return first.port;
}

async function destinationOf(
  api: OpenedCluster,
  snapshot: Snapshot,
  text: string,
  domain: string,
): Promise<Destination> {
  const { target, port } = splitPort(text);
  const reference: Reference = parseReference(target);
  if (reference.kind === 'address') {
    if (port === undefined)
      throw new CliError('ERR_CLI_INVALID', `which port of ${target}?`, { hint: `${target}:PORT` });
    return { ip: reference.ip, host: target, port };
  }
  if (reference.kind === 'hostname' && !isClusterHost(reference.hostname, domain)) {
    if (port === undefined)
      throw new CliError('ERR_CLI_INVALID', `which port of ${target}?`, { hint: `${target}:PORT` });
    // The host of a ServiceEntry has an address in the mesh; any other is looked up by whoever connects.
    const entry = findServiceByHostname(snapshot, reference.hostname, api.namespace);
    return { ip: entry?.vips[0]?.ip ?? reference.hostname, host: reference.hostname, port };
  }
  const isService = reference.kind === 'service' || reference.kind === 'any' || reference.kind === 'hostname';
  if (isService) {
    const [name = '', inside] =
      reference.kind === 'hostname' ? reference.hostname.split('.') : [reference.name, reference.namespace];
    const namespace = inside ?? api.namespace;
    const ip = serviceAddress(snapshot, name, namespace, domain);
    if (ip !== undefined) return { ip, host: name, port: port ?? (await portOf(api, name, namespace)) };
    if (reference.kind !== 'any')
      throw new CliError('ERR_CLI_NOT_FOUND', `service ${namespace}/${name} does not exist, or has no address`, {
        hint: `kubectl -n ${namespace} get services`,
      });
  }
  const workload = workloadOf(snapshot, await firstPod(api, target));
  if (port === undefined) throw new CliError('ERR_CLI_INVALID', `which port of ${target}?`, { hint: `${target}:PORT` });
  return { ip: workload.ips[0] ?? '', host: workload.ips[0] ?? '', port };
}

const tones = { allowed: 'good', denied: 'bad', undecided: 'warning' } as const;

/** Lines of a verdict. */
export function verdictText(verdict: Verdict): string {
  const width = Math.max(...verdict.steps.map(({ name }) => name.length));
  return [
    toned(tones[verdict.outcome], verdict.summary),
    ...verdict.steps.map(({ name, text }, index) => `  ${index + 1} ${name.padEnd(width)}  ${text}`),
  ].join('\n');
}

/** Exit status of a verdict. */
export const verdictStatus = ({ outcome }: Verdict): number =>
  outcome === 'allowed' ? exitStatus.done : outcome === 'denied' ? exitStatus.no : exitStatus.undecided;

/** Explains one connection or request. Returns the exit status: 0 allowed, 3 denied, 4 undecided. */
export async function explainConnection(
  api: OpenedCluster,
  source: string,
  destination: string,
  flags: ExplainFlags,
): Promise<number> {
  const world = await loadWorld(api);
  const pod = await firstPod(api, source);
  const target = await destinationOf(api, world.snapshot, destination, world.options.domain);
  const isHttp = flags.method !== undefined || flags.path !== undefined || flags.header !== undefined;
  const headers = (flags.header ?? []).map((line): readonly [string, string] => {
    const colon = line.indexOf(':');
    if (colon < 1) throw new CliError('ERR_CLI_INVALID', `"${line}" is no header`, { hint: "'name: value'" });
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  const verdict = decide(world, {
    source: workloadOf(world.snapshot, pod),
    isCaptured: isCaptured(pod),
    destination: target,
    ...(isHttp
      ? {
          request: {
            method: flags.method ?? 'GET',
            path: flags.path ?? '/',
            host: `${target.host}:${target.port}`,
            headers,
          },
        }
      : {}),
  });
  if (!(await printDocument(documentOf('Explanation', { ...verdict, problems: world.problems }), flags.output))) {
    process.stdout.write(`${verdictText(verdict)}\n`);
    for (const problem of world.problems) process.stderr.write(`!! not in force: ${problem}\n`);
  }
  return verdictStatus(verdict);
}
