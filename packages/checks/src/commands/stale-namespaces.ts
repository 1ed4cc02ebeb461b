// In: the namespaces under /run/netns. Out: those removed that a test process which no longer lives left behind.
// Called by test.ts before the netns group.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

/** Pid of the test that made a namespace, from its name `ambit-t-<pid>...`; undefined for foreign names. */
export function ownerOf(name: string): number | undefined {
  const prefix = 'ambit-t-';
  if (!name.startsWith(prefix)) return undefined;
  const digits = Number.parseInt(name.slice(prefix.length), 10);
  return Number.isSafeInteger(digits) && digits > 1 ? digits : undefined;
}

/** Removes the namespaces of dead test processes; never touches a name that a test did not make. */
export function removeStaleNamespaces(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const owner = ownerOf(name);
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) execFileSync('ip', ['netns', 'delete', name]);
  }
}
