// The state folder of a cluster: what it holds, who runs from it, and what a crash left behind.
// Comes in: a folder. Goes out: paths, the cluster's id, cleaning. Called by `cluster.ts` and `main.ts`. Main thread.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, glob, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listNamespaces, removeNetns } from './network/node-network.ts';
import { processesOfPod, removeCgroups } from './node/cgroup.ts';
import { killRecorded, sendSignal, startTimeOf } from './node/host-process.ts';
import type { ProcessRecord } from './node/host-process.ts';

/** What `cluster.json` says once the cluster is ready. */
export interface ClusterFile {
  readonly pid: number;
  readonly startTime: string;
  readonly id: string;
  readonly mode: 'netns' | 'loopback';
  readonly kubeconfig: string;
  readonly apiPort: number;
  readonly nodes: readonly { readonly name: string; readonly ip: string; readonly netns?: string }[];
}

/** Folders and files of one cluster. */
export interface StatePaths {
  readonly root: string;
  readonly api: string;
  readonly clusterFile: string;
  readonly kubeconfig: string;
  readonly images: string;
  readonly ownerFile: string;
  /** The API port of the last run, kept so that kubeconfigs stay valid. */
  readonly portFile: string;
  /** Folders of volume claims. */
  readonly claimsDir: string;
  nodeDir(name: string): string;
  podsDir(name: string): string;
}

/** The paths under a state folder. */
export function statePaths(root: string): StatePaths {
  return {
    root,
    api: join(root, 'api'),
    clusterFile: join(root, 'cluster.json'),
    kubeconfig: join(root, 'kubeconfig'),
    images: join(root, 'images.yaml'),
    ownerFile: join(root, 'owner.json'),
    portFile: join(root, 'api-port'),
    claimsDir: join(root, 'claims'),
    nodeDir: (name) => join(root, 'nodes', name),
    podsDir: (name) => join(root, 'pods', name),
  };
}

interface Owner extends ProcessRecord {
  readonly id: string;
}

/** Who runs from this folder now, if anyone. */
export function readOwner(paths: StatePaths): { owner: Owner; isAlive: boolean } | undefined {
  if (!existsSync(paths.ownerFile)) return undefined;
  try {
    const owner = JSON.parse(readFileSync(paths.ownerFile, 'utf8')) as Owner;
    return { owner, isAlive: startTimeOf(owner.pid) === owner.startTime };
  } catch {
    return undefined;
  }
}

/** Makes the folder and records this process as its owner; the id stays the same over restarts. */
export async function claimState(paths: StatePaths): Promise<string> {
  await mkdir(paths.root, { recursive: true, mode: 0o700 });
  await chmod(paths.root, 0o700);
  const id = readOwner(paths)?.owner.id ?? randomBytes(3).toString('hex');
  const owner: Owner = { id, pid: process.pid, startTime: startTimeOf(process.pid) ?? '' };
  await writeFile(paths.ownerFile, JSON.stringify(owner));
  return id;
}

/** Reads `cluster.json`, or undefined while the cluster is not ready. */
export async function readClusterFile(paths: StatePaths): Promise<ClusterFile | undefined> {
  try {
    return JSON.parse(await readFile(paths.clusterFile, 'utf8')) as ClusterFile;
  } catch {
    return undefined;
  }
}

/** Ends and removes everything a cluster made on the machine: processes, namespaces, groups, pod folders. Nothing else. */
export async function removeLeftovers(paths: StatePaths, id: string): Promise<void> {
  for await (const file of glob(join(paths.root, 'pods', '*', '*', 'containers', '*', '*', 'process.json'))) {
    await readFile(file, 'utf8')
      .then((text) => killRecorded(JSON.parse(text) as ProcessRecord))
      .catch(() => undefined);
  }
  for (const uid of await podUids(paths)) {
    for (const pid of processesOfPod(uid)) sendSignal(pid, 'SIGKILL');
  }
  if (process.getuid?.() === 0) {
    const names = await listNamespaces(id).catch(() => []);
    await Promise.all(names.map((name) => removeNetns(name)));
  }
  for (const uid of await podUids(paths)) await removeGroupsSoon(uid);
  await rm(join(paths.root, 'pods'), { recursive: true, force: true });
  await rm(paths.clusterFile, { force: true });
}

async function podUids(paths: StatePaths): Promise<string[]> {
  const nodes = await readdir(join(paths.root, 'pods')).catch(() => []);
  const lists = await Promise.all(nodes.map((node) => readdir(paths.podsDir(node)).catch(() => [])));
  return lists.flat();
}

// A killed process leaves its group a moment later.
async function removeGroupsSoon(uid: string): Promise<void> {
  for (let tried = 0; tried < 20 && !removeCgroups(uid); tried += 1) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
