// Keeps a node's nftables in step with the services: one atomic `nft -f` per change, nothing when the text is the same.
// Comes in: the service watcher. Goes out: rules in the node's namespace. Started by the cluster per node. Main thread.
import type { Logger } from '@ambit/runtime/log';
import { runCommand } from '../node/command.ts';
import { buildNftRules } from './nft-rules.ts';
import type { ServiceWatcher } from './service-watcher.ts';
import type { NodePlace } from './topology.ts';

/** A running proxy; `settled` resolves when the rules of the last change are in place. */
export interface NftProxy {
  settled(): Promise<void>;
  close(): void;
}

const RETRY_MS = 100;

/** Starts the proxy of one node. */
export function startNftProxy(node: NodePlace, services: ServiceWatcher, log: Logger): NftProxy {
  let installed = '';
  let running: Promise<void> | undefined;
  let again = false;
  let closed = false;
  let retry: NodeJS.Timeout | undefined;

  const install = async (): Promise<void> => {
    do {
      again = false;
      const text = buildNftRules([...services.table(node.name), ...services.hostPorts(node.name)], node.ip);
      if (text === installed || closed) continue;
      await runCommand('nsenter', [`--net=/run/netns/${node.netns ?? ''}`, 'nft', '-f', '-'], { input: text });
      installed = text;
    } while (again);
  };

  const kick = (): void => {
    again = true;
    if (closed || running !== undefined) return;
    running = install()
      .catch((error: unknown) => {
        if (closed) return;
        log.warn('service rules not installed', { node: node.name, error: String(error) });
        retry = setTimeout(kick, RETRY_MS);
      })
      .finally(() => {
        running = undefined;
      });
  };

  services.onChange(kick);
  return {
    settled: async () => {
      await running;
    },
    close: () => {
      closed = true;
      clearTimeout(retry);
    },
  };
}
