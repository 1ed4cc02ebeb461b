// In: the node's process table, a pod's UID and addresses. Out: an open descriptor of its network namespace. Step 4 of path 5.
// Called by enrol/sequence.ts and at start. Main thread. Source: spec node-agent 2.3.
import { insideNetns, openNetns, type NetnsHandle } from '@ambit/net';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { canonicalUid, isCrioWithoutUid, podUidOfProcess } from './cgroup.ts';

/** A pod to look for. */
export interface WantedPod {
  readonly uid: string;
  readonly ips: readonly string[];
  /** UID in control groups where it is another one: static pods carry the hash of their configuration there (gap G30). */
  readonly groupUid?: string | undefined;
}

interface Candidate {
  /** Undefined for a container of CRI-O whose control groups do not tell its pod. */
  readonly uid: string | undefined;
  readonly path: string;
  readonly startTime: number;
}

/** Inode of a namespace: all of them are entries of one file system. */
function inodeOf(path: string): bigint | undefined {
  try {
    return statSync(path, { bigint: true }).ino;
  } catch {
    return undefined; // the process has ended, or is not ours to look at
  }
}

/** Field 22 of /proc/<pid>/stat; fields are counted after the last `)`, because a name may hold anything. */
function startTimeOf(text: string): number {
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
}

function candidateOf(procRoot: string, pid: string, wanted: ReadonlyMap<string, string>): Candidate | undefined {
  try {
    const cgroup = readFileSync(join(procRoot, pid, 'cgroup'), 'utf8');
    const inGroup = podUidOfProcess(cgroup);
    const uid = inGroup === undefined ? undefined : wanted.get(inGroup);
    if (uid === undefined && !isCrioWithoutUid(cgroup)) return undefined;
    return {
      uid,
      path: join(procRoot, pid, 'ns/net'),
      startTime: startTimeOf(readFileSync(join(procRoot, pid, 'stat'), 'utf8')),
    };
  } catch {
    return undefined; // the process has ended meanwhile
  }
}

/** The namespace, when it has one of the addresses; undefined when it has not, or when its process has ended meanwhile. */
function openOwned(path: string, ips: readonly string[]): NetnsHandle | undefined {
  let handle: NetnsHandle | undefined;
  try {
    handle = openNetns(path);
    if (ownsAddress(handle, ips)) return handle;
  } catch {
    // One process that ends, or is no namespace, does not stop the search for the others.
  }
  handle?.close();
  return undefined;
}

/** True when an interface inside the namespace has one of the addresses: a foreign process may sit in another pod's cgroup. */
function ownsAddress(handle: NetnsHandle, ips: readonly string[]): boolean {
  const inside = insideNetns(handle.fd, () =>
    Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => address)),
  );
  return ips.some((ip) => inside.includes(ip));
}

/**
 * Inodes of the node's own namespaces, those of its first process and of this one. Machines exist whose first process even
 * root may not look at; then the other one is known.
 */
export function nodeInodes(procRoot: string): ReadonlySet<bigint> {
  const inodes = [join(procRoot, '1/ns/net'), '/proc/thread-self/ns/net'].map(inodeOf);
  return new Set(inodes.filter((inode) => inode !== undefined));
}

/**
 * Candidates of every wanted pod, one per pod and namespace, oldest process first. The node's own namespace is never among them. A foreign
 * process in a pod's namespace does not hide the pod's own process.
 */
function candidates(procRoot: string, wanted: ReadonlyMap<string, string>): readonly Candidate[] {
  const home = nodeInodes(procRoot);
  const found = new Map<string, Candidate>();
  for (const pid of readdirSync(procRoot)) {
    if (!(pid[0] !== undefined && pid[0] >= '0' && pid[0] <= '9')) continue;
    const inode = inodeOf(join(procRoot, pid, 'ns/net'));
    if (inode === undefined || home.has(inode)) continue;
    const candidate = candidateOf(procRoot, pid, wanted);
    if (candidate === undefined) continue;
    const key = `${inode} ${candidate.uid ?? ''}`;
    const known = found.get(key);
    if (known === undefined || candidate.startTime < known.startTime) found.set(key, candidate);
  }
  return [...found.values()].toSorted((left, right) => left.startTime - right.startTime);
}

/** Opens the namespaces of these pods; a pod without a process or an address of its own is left out. The caller closes them. */
export function findNamespaces(procRoot: string, pods: readonly WantedPod[]): ReadonlyMap<string, NetnsHandle> {
  const byUid = new Map(pods.map((pod) => [pod.uid, pod]));
  // A pod's own UID wins: an annotation that names another pod's finds nothing of it.
  const wanted = new Map([
    ...pods.flatMap(({ uid, groupUid }) => (groupUid === undefined ? [] : [[canonicalUid(groupUid), uid] as const])),
    ...pods.map(({ uid }) => [uid, uid] as const),
  ]);
  const found = new Map<string, NetnsHandle>();
  const all = candidates(procRoot, wanted);
  for (const { uid, path } of all) {
    if (uid === undefined || found.has(uid)) continue;
    const handle = openOwned(path, byUid.get(uid)?.ips ?? []);
    if (handle !== undefined) found.set(uid, handle);
  }
  // What a control group does not tell, the address does: a namespace that has it is the pod's.
  const rest = pods.filter(({ uid, ips }) => !found.has(uid) && ips.length > 0);
  for (const { path } of all.filter(({ uid }) => uid === undefined))
    for (const { uid, ips } of rest) {
      const handle = found.has(uid) ? undefined : openOwned(path, ips);
      if (handle !== undefined) found.set(uid, handle);
    }
  return found;
}
