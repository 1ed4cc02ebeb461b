// Control groups of containers, where the machine lets us make them (v1 hierarchies or the one of v2).
// Comes in: pod uid and container id. Goes out: folders `kubepods/pod<uid>/<id>`, as the node agent's scan expects.
// Never fails: without a writable hierarchy containers run without groups. Main thread.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** The mount points used: v2's own, or the v1 hierarchies that matter here. */
export function cgroupHierarchies(root = ROOT): string[] {
  if (existsSync(join(root, 'cgroup.controllers'))) return [root];
  return ['pids', 'memory', 'cpu']
    .map((name) => join(root, name))
    .filter((path) => existsSync(join(path, 'cgroup.procs')));
}

/** What a container may use; undefined: as much as there is. */
export interface CgroupLimits {
  readonly memoryBytes: number | undefined;
}

const MAX_PROCESSES = 4096;

/** Makes the groups of one container, sets its limits and returns the cgroup.procs files to join. */
export function createCgroups(podUid: string, containerId: string, limits: CgroupLimits): string[] {
  return cgroupHierarchies().flatMap((hierarchy) => {
    const pods = join(hierarchy, 'kubepods');
    const pod = join(pods, `pod${podUid}`);
    const folder = join(pod, containerId);
    try {
      mkdirSync(folder, { recursive: true });
    } catch {
      return [];
    }
    // v2 hands controllers down level by level; v1 has no such file.
    for (const parent of [hierarchy, pods, pod]) setIfPresent(join(parent, 'cgroup.subtree_control'), '+memory +pids');
    setIfPresent(join(folder, 'pids.max'), String(MAX_PROCESSES));
    if (limits.memoryBytes !== undefined) {
      setIfPresent(join(folder, 'memory.max'), String(limits.memoryBytes));
      setIfPresent(join(folder, 'memory.limit_in_bytes'), String(limits.memoryBytes));
    }
    return [join(folder, 'cgroup.procs')];
  });
}

// A limit that the machine does not let us set is no reason to keep a container from running.
function setIfPresent(file: string, value: string): void {
  try {
    if (existsSync(file)) writeFileSync(file, value);
  } catch {
    // not delegated to us
  }
}

/** Whether the kernel ended a process of the container for want of memory. */
export function wasOutOfMemory(podUid: string, containerId: string): boolean {
  return cgroupHierarchies().some((hierarchy) =>
    ['memory.events', 'memory.oom_control'].some((name) => {
      const counts = readLines(join(hierarchy, 'kubepods', `pod${podUid}`, containerId, name));
      return counts.some((line) => line.startsWith('oom_kill ') && line !== 'oom_kill 0');
    }),
  );
}

/** Process ids in all groups of a pod. */
export function processesOfPod(podUid: string): number[] {
  const pids = new Set<number>();
  for (const folder of podFolders(podUid)) {
    for (const group of [folder, ...childrenOf(folder)]) {
      for (const pid of readPids(join(group, 'cgroup.procs'))) pids.add(pid);
    }
  }
  return [...pids];
}

/** Removes the groups of a pod; groups that still hold processes stay and are reported as false. */
export function removeCgroups(podUid: string): boolean {
  let isClean = true;
  for (const folder of podFolders(podUid)) {
    for (const group of [...childrenOf(folder), folder]) isClean = removeGroup(group) && isClean;
  }
  for (const hierarchy of cgroupHierarchies()) removeGroup(join(hierarchy, 'kubepods'));
  return isClean;
}

function podFolders(podUid: string): string[] {
  return cgroupHierarchies()
    .map((hierarchy) => join(hierarchy, 'kubepods', `pod${podUid}`))
    .filter((folder) => existsSync(folder));
}

function childrenOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name));
}

function readPids(file: string): number[] {
  return readLines(file)
    .map(Number)
    .filter((pid) => pid > 1);
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'latin1').split('\n');
  } catch {
    return [];
  }
}

function removeGroup(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch {
    return false;
  }
}
