// In: a running cluster. Out: the nftables tables in every pod's network namespace. Called by main.ts (`rules`). Main thread.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readdirSync } from 'node:fs';

const run = promisify(execFile);

/** Rule tables in one network namespace of the cluster. */
export interface NamespaceRules {
  /** Name under /run/netns. */
  readonly netns: string;
  /** `<family> <name>`. */
  readonly tables: readonly string[];
}

async function tablesOf(netns: string): Promise<readonly string[]> {
  const { stdout } = await run('ip', ['netns', 'exec', netns, 'nft', 'list', 'tables']);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('table '))
    .map((line) => line.slice('table '.length).trim());
}

/** Lists the tables of every pod namespace of a cluster; the nodes' own are left out. */
export async function listPodRules(
  clusterId: string,
  nodeNamespaces: readonly string[],
): Promise<readonly NamespaceRules[]> {
  const own = readdirSync('/run/netns').filter(
    (name) => name.startsWith(`ambit-${clusterId}-`) && !nodeNamespaces.includes(name),
  );
  return Promise.all(own.map(async (netns) => ({ netns, tables: await tablesOf(netns) })));
}
