// In: the tool of this agent, the one that an earlier agent may have used. Out: the same tool, which also takes away what the other one left: a
// pod with the rules of both would keep one set when it leaves the mesh, and its traffic would lead to ports that nobody serves. Called by
// choose-backend.ts where iptables follows nftables. The other way round iptables is kept until the node restarts (spec node-agent 3.1).
import { netfilterTables } from '@ambit/net';
import type { HostBackend } from './host-backend.ts';
import { tables } from './plan.ts';
import type { RuleBackend } from './rule-backend.ts';

/** Whether a pod has tables of the mesh; a kernel that cannot be asked is taken for one without. */
export function hasMeshTables(netns: number): boolean {
  try {
    return netfilterTables(netns).some((name) => tables.some((ours) => ours === name));
  } catch {
    return false;
  }
}

/** Rules of pods by `backend`; after each change what `former` made is gone. There is no moment without rules of either. */
export function replacing(
  backend: RuleBackend,
  former: Pick<RuleBackend, 'remove'>,
  hasFormer: (netns: number) => boolean = hasMeshTables,
): RuleBackend {
  const clear = async (netns: number): Promise<number> => {
    if (!hasFormer(netns)) return 0;
    await former.remove(netns);
    return 1;
  };
  return {
    ...backend,
    load: async (netns, settings) => (await backend.load(netns, settings)) + (await clear(netns)),
    remove: async (netns) => {
      await backend.remove(netns);
      await clear(netns);
    },
  };
}

/** The same for the node's rules, once: this agent is alone there. */
export function replacingHost(backend: HostBackend, former: Pick<HostBackend, 'clear'>): HostBackend {
  let isCleared = false;
  return {
    ...backend,
    write: async (owners) => {
      await backend.write(owners);
      if (isCleared) return;
      await former.clear();
      isCleared = true;
    },
  };
}
