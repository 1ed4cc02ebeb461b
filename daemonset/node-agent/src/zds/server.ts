// In: connected proxies, pods to hand over. Out: adds to the newest proxy, deletes to all. Step 6 of path 5. Main thread.
// Called by app.ts (accept) and enrol/sequence.ts. Source: spec node-agent 5.3 and 5.4.
import type { Logger } from '@ambit/runtime/log';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { NodeAgentError } from '../errors.ts';
import type { ZdsChannel } from './channel.ts';
import { ZdsConnection } from './connection.ts';

/** What the server needs. */
export interface ZdsServerOptions {
  /** Pods that a new proxy gets first; read when its snapshot begins. */
  readonly snapshot: () => readonly HeldPod[];
  /** Called whenever the number of connected proxies changed. */
  readonly onProxies: (count: number) => void;
  readonly log: Logger;
}

/** Serves the node proxies of this node: normally one, two during a rollout. */
export class ZdsServer {
  readonly #options: ZdsServerOptions;
  /** In the order of their arrival. */
  readonly #connections: ZdsConnection[] = [];

  constructor(options: ZdsServerOptions) {
    this.#options = options;
  }

  get proxies(): number {
    return this.#connections.length;
  }

  /** Takes over a connected channel. It is listed before its snapshot is read, so that no pod can fall between the two. */
  accept(channel: ZdsChannel): void {
    const { log, onProxies, snapshot } = this.#options;
    const connection = new ZdsConnection(channel, log);
    this.#connections.push(connection);
    onProxies(this.proxies);
    log.info('node proxy connected', { proxies: this.proxies });
    void connection.closed.then(() => {
      this.#connections.splice(this.#connections.indexOf(connection), 1);
      onProxies(this.proxies);
      log.info('node proxy disconnected', { proxies: this.proxies });
    });
    connection.start(snapshot).then(
      () => log.info('snapshot sent to node proxy', { pods: snapshot().length }),
      (error: unknown) =>
        log.warn('node proxy was not served', { error: error instanceof Error ? error.message : String(error) }),
    );
  }

  /** Hands a pod to the newest proxy. Rejects with ERR_NODE_AGENT_NO_PROXY, _ZDS or _NACK; all three are worth a retry. */
  async add(pod: HeldPod): Promise<void> {
    const newest = this.#connections.at(-1);
    if (newest === undefined) {
      throw new NodeAgentError('ERR_NODE_AGENT_NO_PROXY', 'no node proxy is connected', {
        hint: 'kubectl -n istio-system get pods -l app=ztunnel -o wide',
      });
    }
    const error = await newest.request({ kind: 'add', pod });
    if (error !== '') throw new NodeAgentError('ERR_NODE_AGENT_NACK', `the node proxy refused the pod: ${error}`);
  }

  /** Tells every proxy that a pod is gone. A proxy that has ended meanwhile needs no telling. */
  async delete(uid: string): Promise<void> {
    const results = await Promise.allSettled(
      [...this.#connections].map(async (connection) => connection.request({ kind: 'delete', uid })),
    );
    const failed = results.find(
      (result, index) => result.status === 'rejected' && this.#connections[index]?.isOpen === true,
    );
    if (failed?.status === 'rejected') throw failed.reason;
  }

  /** Ends all connections; the proxies keep serving what they have. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
