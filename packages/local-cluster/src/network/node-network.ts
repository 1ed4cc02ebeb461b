// Builds and removes the namespaces of the nodes and of the pods (netns mode).
// Comes in: the address plan. Goes out: namespaces, veth pairs, routes. Called by the cluster and the netns sandbox.
// Pods hang on the node by a veth pair each with a /32 route (no bridge), so that every packet passes the node's rules
// and answers of a service come back the way they went.
import { runCommand } from '../node/command.ts';
import { netnsPrefix, transitNetns } from './topology.ts';
import type { NodePlace } from './topology.ts';

const TRANSIT_GATEWAY = '172.30.0.254';

/** Makes the transit namespace and one namespace per node; the caller removes them with `removeNamespaces`. */
export async function createNodeNetworks(id: string, nodes: readonly NodePlace[]): Promise<void> {
  const transit = transitNetns(id);
  await runCommand('ip', ['-batch', '-'], {
    input: [`netns add ${transit}`, ...nodes.map((node) => `netns add ${node.netns ?? ''}`), ''].join('\n'),
  });
  await runCommand('ip', ['-n', transit, '-batch', '-'], {
    input: lines([
      'link set lo up',
      'link add br0 type bridge',
      `addr add ${TRANSIT_GATEWAY}/24 dev br0`,
      'link set br0 up',
      ...nodes.map((node) => `link add n${node.index} type veth peer name up0 netns ${node.netns ?? ''}`),
      ...nodes.map((node) => `link set n${node.index} master br0 up`),
    ]),
  });
  await Promise.all(nodes.map((node) => configureNode(node, nodes)));
}

async function configureNode(node: NodePlace, nodes: readonly NodePlace[]): Promise<void> {
  const netns = node.netns ?? '';
  await runCommand('ip', ['-n', netns, '-batch', '-'], {
    input: lines([
      'link set lo up',
      `addr add ${node.ip}/24 dev up0`,
      'link set up0 up',
      `addr add ${node.podPrefix}.1/32 dev lo`,
      ...nodes
        .filter((other) => other.index !== node.index)
        .map((other) => `route add ${other.podPrefix}.0/24 via ${other.ip} dev up0`),
      // Service addresses need some route; the rules change or refuse the packets before they leave.
      `route add default via ${TRANSIT_GATEWAY} dev up0`,
    ]),
  });
  await writeSysctls(netns, { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' });
}

/** One pod's link. */
export interface PodLink {
  readonly netns: string;
  /** Interface name on the node, at most 15 characters. */
  readonly link: string;
  readonly ip: string;
}

/** Makes a pod's namespace and joins it to its node. Leaves nothing behind when it rejects. */
export async function createPodNetwork(node: NodePlace, pod: PodLink): Promise<void> {
  const gateway = `${node.podPrefix}.1`;
  try {
    await runCommand('ip', ['netns', 'add', pod.netns]);
    await runCommand('ip', ['-n', node.netns ?? '', '-batch', '-'], {
      input: lines([
        `link add ${pod.link} type veth peer name eth0 netns ${pod.netns}`,
        `link set ${pod.link} up`,
        `route add ${pod.ip}/32 dev ${pod.link} src ${node.ip}`,
      ]),
    });
    await runCommand('ip', ['-n', pod.netns, '-batch', '-'], {
      input: lines([
        'link set lo up',
        `addr add ${pod.ip}/32 dev eth0`,
        'link set eth0 up',
        `route add ${gateway} dev eth0 scope link`,
        `route add default via ${gateway} dev eth0`,
      ]),
    });
    // As in containers elsewhere: low ports need no privilege inside a pod.
    await writeSysctls(pod.netns, { 'net.ipv4.ip_unprivileged_port_start': '0' });
  } catch (error) {
    await removePodNetwork(node, pod).catch(() => undefined);
    throw error;
  }
}

/** Removes a pod's namespace and link; parts that are gone already are no failure. */
export async function removePodNetwork(node: NodePlace, pod: PodLink): Promise<void> {
  await runCommand('ip', ['-n', node.netns ?? '', 'link', 'del', pod.link]).catch(() => undefined);
  await removeNetns(pod.netns);
}

/** Namespaces under /run/netns that belong to the cluster. */
export async function listNamespaces(id: string): Promise<string[]> {
  const text = await runCommand('ip', ['netns', 'list']);
  const names = text.split('\n').map((line) => line.split(' ')[0] ?? '');
  return names.filter((name) => name.startsWith(netnsPrefix(id)));
}

/** Ends every process inside a namespace of the cluster and removes the namespace. */
export async function removeNetns(name: string): Promise<void> {
  for (const pid of await processesIn(name)) killQuietly(pid);
  await runCommand('ip', ['netns', 'del', name]).catch((error: unknown) => {
    if (!String(error).includes('No such file')) throw error;
  });
}

/** Process ids that live in a namespace. */
export async function processesIn(name: string): Promise<number[]> {
  const text = await runCommand('ip', ['netns', 'pids', name]).catch(() => '');
  return text
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 1 && pid !== process.pid);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ended in between
  }
}

async function writeSysctls(netns: string, values: Readonly<Record<string, string>>): Promise<void> {
  const script = Object.entries(values)
    .map(([name, value]) => `echo ${value} > /proc/sys/${name.replaceAll('.', '/')} || true`)
    .join('\n');
  await runCommand('nsenter', [`--net=/run/netns/${netns}`, '/bin/sh', '-s'], { input: `${script}\n` });
}

const lines = (commands: readonly string[]): string => `${commands.join('\n')}\n`;
