// `ambit local reboot NODE` and `ambit local node stop|start NODE`. In: a node's name. Out: the node switched, its pods restarted where
// it is on. The cluster follows annotations of the Node object. Called by command.ts.
import { kinds } from '../cluster/kinds.ts';
import type { CliConfig } from '../config.ts';
import { CliError } from '../errors.ts';
import { startProgress } from '../output/progress.ts';
import { waitUntil } from '../output/wait-until.ts';
import { requireRunning } from './state-folder.ts';

const annotation = { power: 'ambit.io/power', reboot: 'ambit.io/reboot', state: 'ambit.io/power-state' } as const;
const TIMEOUT_MS = 60_000;

/** What is done to a node. */
export type NodeAct = 'reboot' | 'stop' | 'start';

const done: Readonly<Record<NodeAct, string>> = {
  reboot: 'has been rebooted',
  stop: 'is off: its pods are dead, the cluster finds out after 40 s',
  start: 'is on',
};

/** Switches a node and waits until it has been done. Throws ERR_CLI_NOT_FOUND, ERR_CLI_TIMEOUT. */
export async function switchNode(config: CliConfig, cluster: string, act: NodeAct, name: string): Promise<void> {
  const { description } = requireRunning(config.localDirectory, cluster);
  const { connectCluster } = await import('../cluster/connect.ts');
  const api = await connectCluster(description.kubeconfig, undefined);
  try {
    const ref = { ...kinds.node, name };
    const node = await api.get(ref);
    if (node === undefined) {
      throw new CliError('ERR_CLI_NOT_FOUND', `the local cluster "${cluster}" has no node "${name}"`, {
        hint: `its nodes are ${description.nodes.map((each) => each.name).join(', ')}`,
      });
    }
    const before = node.metadata?.annotations ?? {};
    const reboot = act === 'reboot' ? new Date().toISOString() : (before[annotation.reboot] ?? '');
    const power = act === 'reboot' ? (before[annotation.power] ?? 'on') : act === 'stop' ? 'off' : 'on';
    const progress = startProgress(`${act} of ${name}`);
    const wish = { [annotation.power]: power, ...(reboot !== '' && { [annotation.reboot]: reboot }) };
    await api.patch(ref, { metadata: { annotations: wish } });
    const state = `${power === 'off' ? 'off' : 'on'} ${reboot}`.trim();
    await waitUntil(`${act} of ${name}`, TIMEOUT_MS, async () => {
      const now = (await api.get(ref))?.metadata?.annotations?.[annotation.state];
      // A node that was never switched is on and says nothing.
      return now === state || (now === undefined && state === 'on')
        ? { value: true }
        : { missing: `it says "${now ?? ''}"` };
    });
    progress.done(`${name} ${done[act]}`);
  } finally {
    api.close();
  }
}
