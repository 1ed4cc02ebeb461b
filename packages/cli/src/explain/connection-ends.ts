// Both ends of a connection, as people name them. In: words of the command line. Out: the pods that connect, and the address that they ask
// for. Called by explain and trace.
import { findServiceByHostname, type Snapshot, type Workload } from '@ambit/state';
import type { KubernetesObject } from '@ambit/resources';
import { kinds, labels } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference, type Reference, splitPort } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';

/** The record of a pod. Throws ERR_CLI_NOT_FOUND. */
export function workloadOf(snapshot: Snapshot, pod: KubernetesObject): Workload {
  for (const workload of snapshot.workloads.values()) {
    if (workload.name === nameOf(pod) && workload.namespace === namespaceOf(pod)) return workload;
  }
  throw new CliError('ERR_CLI_NOT_FOUND', `the control plane has no record of pod ${namespaceOf(pod)}/${nameOf(pod)}`, {
    hint: 'has it an address? kubectl get pod -o wide',
  });
}

/** Whether its traffic goes through the node proxy. */
export const isCaptured = (pod: KubernetesObject): boolean =>
  pod.metadata?.annotations?.[labels.redirection] === 'enabled';

/** The pods that a word names, one at least. */
export async function podsOf(
  api: OpenedCluster,
  text: string,
): Promise<readonly [KubernetesObject, ...KubernetesObject[]]> {
  const [first, ...others] = await resolvePods(api, parseReference(text), api.namespace);
  if (first === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${text}" has no running pod`, { hint: 'kubectl get pods -A -o wide' });
  return [first, ...others];
}

function serviceAddress(snapshot: Snapshot, name: string, namespace: string, domain: string): string | undefined {
  const service =
    findServiceByHostname(snapshot, `${name}.${namespace}.svc.${domain}`, namespace) ??
    snapshot.services.get(`${namespace}/${name}.${namespace}.svc.${domain}`);
  return service?.vips[0]?.ip;
}

/** Where a connection leads. */
export interface Destination {
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

/** What a word with a port names: a service, a pod, an address or a host name. */
export async function destinationOf(
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
  const workload = workloadOf(snapshot, (await podsOf(api, target))[0]);
  if (port === undefined) throw new CliError('ERR_CLI_INVALID', `which port of ${target}?`, { hint: `${target}:PORT` });
  return { ip: workload.ips[0] ?? '', host: workload.ips[0] ?? '', port };
}
