// In: the mode asked for, the machine. Out: the mode to start, and why. Pure apart from looking at the machine. Called by launch.ts.
import { existsSync } from 'node:fs';

/** Mode of a local cluster. */
export type ClusterMode = 'netns' | 'loopback';

/** What decides about `auto`. */
export interface Machine {
  readonly platform: string;
  readonly isRoot: boolean;
  /** Programs that netns mode needs and that are not installed. */
  readonly missing: readonly string[];
}

/** Programs of netns mode and the Debian packages that have them. */
const programs = ['ip', 'nft', 'unshare', 'nsenter', 'mount'];
const folders = ['/usr/sbin', '/sbin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/local/bin'];

/** Looks at this machine. */
export function thisMachine(): Machine {
  return {
    platform: process.platform,
    isRoot: process.getuid?.() === 0,
    missing: programs.filter((program) => !folders.some((folder) => existsSync(`${folder}/${program}`))),
  };
}

/** `auto` means netns where it can run, else loopback; the reason is undefined where netns was chosen or asked for. */
export function chooseMode(
  asked: ClusterMode | 'auto',
  machine: Machine,
): { readonly mode: ClusterMode; readonly reason?: string } {
  if (asked !== 'auto') return { mode: asked };
  if (machine.platform !== 'linux') return { mode: 'loopback', reason: 'network namespaces need Linux' };
  if (!machine.isRoot) return { mode: 'loopback', reason: 'network namespaces need root' };
  if (machine.missing.length > 0)
    return {
      mode: 'loopback',
      reason: `not installed: ${machine.missing.join(', ')} (Debian: iproute2 nftables util-linux)`,
    };
  return { mode: 'netns' };
}
