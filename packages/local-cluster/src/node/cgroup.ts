// Control groups of containers, where the machine lets us make them (v1 hierarchies or the one of v2).
// Comes in: pod uid and container id. Goes out: folders `kubepods/pod<uid>/<id>`, as the node agent's scan expects.
// Never fails: without a writable hierarchy containers run without groups. Main thread.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** The mount points used: v2's own, or the v1 hierarchies that matter here. */
export function cgroupHierarchies(root = ROOT): string[] {
  if (existsSync(join(root, 'cgroup.controllers'))) return [root];
  return ['pids', 'memory', 'cpu']
    .map((name) => join(root, name))
    .filter((path) => existsSync(join(path, 'cgroup.procs')));
}

/** Makes the groups of one container and returns the cgroup.procs files to join. */
export function createCgroups(podUid: string, containerId: string): string[] {
  return cgroupHierarchies().flatMap((hierarchy) => {
    const folder = join(hierarchy, 'kubepods', `pod${podUid}`, containerId);
    try {
      mkdirSync(folder, { recursive: true });
      return [join(folder, 'cgroup.procs')];
    } catch {
      return [];
    }
  });
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
  try {
    return readFileSync(file, 'latin1')
      .split('\n')
      .map(Number)
      .filter((pid) => pid > 1);
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
