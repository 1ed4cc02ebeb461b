// In: the folder of local clusters. Out: what is known of each. Called by the local commands and the demo.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.ts';

/** A process as a cluster names its own: a pid alone may have passed to a stranger. */
export interface ClusterProcess {
  readonly pid: number;
  /** Clock ticks from the machine's start to the process's (field 22 of `/proc/<pid>/stat`); empty where there is no /proc. */
  readonly startTime?: string;
}

/** What a running cluster writes about itself (`cluster.json`). */
export interface ClusterDescription extends ClusterProcess {
  readonly id: string;
  readonly mode: 'netns' | 'loopback';
  readonly kubeconfig: string;
  readonly apiPort: number;
  readonly nodes: readonly { readonly name: string; readonly ip: string; readonly netns?: string }[];
}

/** A cluster's folder and, while its process lives, its description. */
export interface LocalCluster {
  readonly name: string;
  readonly directory: string;
  readonly running: ClusterDescription | undefined;
}

const nameLimit = 30;
const nameCharacters = new Set('abcdefghijklmnopqrstuvwxyz0123456789-');

/** Folder of the cluster with this name. Throws ERR_CLI_INVALID for a name that is not a short DNS label. */
export function clusterDirectory(root: string, name: string): string {
  const valid =
    name.length > 0 &&
    name.length <= nameLimit &&
    name.split('').every((character) => nameCharacters.has(character)) &&
    !name.startsWith('-');
  if (!valid) {
    throw new CliError('ERR_CLI_INVALID', `"${name}" cannot be the name of a local cluster`, {
      hint: `use up to ${nameLimit} lower-case letters, digits and hyphens`,
    });
  }
  return join(root, name);
}

/** True while that process runs; one that ended and waits for its parent does not, nor does another under its pid. */
export function isAlive({ pid, startTime }: ClusterProcess): boolean {
  if (startTime !== undefined && startTime !== '') return startTimeOf(pid) === startTime;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Reads a cluster's folder; a description whose process is gone counts as not running. */
export function readCluster(root: string, name: string): LocalCluster {
  const directory = clusterDirectory(root, name);
  const file = join(directory, 'cluster.json');
  if (!existsSync(file)) return { name, directory, running: undefined };
  try {
    const description = JSON.parse(readFileSync(file, 'utf8')) as ClusterDescription;
    return { name, directory, running: isAlive(description) ? description : undefined };
  } catch {
    // A file that a crash cut short describes nothing; the next start cleans it.
    return { name, directory, running: undefined };
  }
}

/** The cluster with this name, which has to run. Throws ERR_CLI_NOT_FOUND. */
export function requireRunning(
  root: string,
  name: string,
): { readonly directory: string; readonly description: ClusterDescription } {
  const { directory, running } = readCluster(root, name);
  if (running === undefined) {
    throw new CliError('ERR_CLI_NOT_FOUND', `no local cluster "${name}" is running`, {
      hint: name === 'local' ? 'ambit local up' : `ambit local up --name ${name}`,
    });
  }
  return { directory, description: running };
}

/** All clusters that have a folder, by name. */
export function listClusters(root: string): readonly LocalCluster[] {
  if (!existsSync(root)) return [];
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readCluster(root, entry.name))
    .toSorted((left, right) => (left.name < right.name ? -1 : 1));
}
