// In: connected proxies, pods to hand over. Out: adds to the newest proxy, deletes to all. Step 6 of path 5. Main thread.
// Called by app.ts (accept) and enrol/sequence.ts. Source: spec node-agent 5.3 and 5.4.
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { NodeAgentError } from '../errors.ts';
import type { ZdsChannel } from './channel.ts';
import { ZdsConnection, type ZdsPods } from './connection.ts';

/** One connected proxy. */
export interface ProxyState {
  /** Counts up with every connection that this agent accepted. */
  readonly number: number;
  readonly connectedAt: string;
  /** It has all pods, and new ones go to it when it is the newest. */
  readonly hasSnapshot: boolean;
  /** Error text of its last answer per pod that it refused. */
  readonly refused: Readonly<Record<string, string>>;
}

/** What the server needs. */
export interface ZdsServerOptions {
  /** Pods that a new proxy gets first. */
  readonly pods: ZdsPods;
  /** Called whenever the number of connected proxies changed. */
  readonly onProxies: (count: number) => void;
  /** Called when a proxy has got all pods and takes new ones. */
  readonly onServed?: () => void;
  readonly log: Logger;
}

/** Serves the node proxies of this node: normally one, two during a rollout. */
export class ZdsServer {
  readonly #options: ZdsServerOptions;
  /** In the order of their arrival. */
  readonly #connections: ZdsConnection[] = [];
  readonly #facts = new WeakMap<ZdsConnection, { readonly number: number; readonly connectedAt: string }>();
  #accepted = 0;

  constructor(options: ZdsServerOptions) {
    this.#options = options;
  }

  get proxies(): number {
    return this.#connections.length;
  }

  /** Takes over a connected channel. It is listed before its snapshot is read, so that no pod can fall between the two. */
  accept(channel: ZdsChannel): void {
    const { log, pods } = this.#options;
    const connection = new ZdsConnection(channel, log);
    this.#connections.push(connection);
    this.#accepted += 1;
    const facts = { number: this.#accepted, connectedAt: new Date().toISOString() };
    this.#facts.set(connection, facts);
    this.#options.onProxies(this.proxies);
    log.info('node proxy connected', { proxies: this.proxies });
    void connection.closed.then(() => {
      const wasNewest = this.#connections.at(-1) === connection;
      this.#connections.splice(this.#connections.indexOf(connection), 1);
      this.#options.onProxies(this.proxies);
      log.info('node proxy disconnected', { proxies: this.proxies });
      if (wasNewest) this.#resend();
    });
    connection.start(pods).then(
      () => {
        log.info('snapshot sent to node proxy', { pods: pods.list().length });
        this.#options.onServed?.();
      },
      // An operator must act: nobody listens in the pods of this node as long as no proxy can be served.
      (error: unknown) => log.error('node proxy was not served', { error: explain(error) }),
    );
  }

  /** The connected proxies, oldest first. */
  states(): readonly ProxyState[] {
    return this.#connections.map((connection) => ({
      ...(this.#facts.get(connection) ?? { number: 0, connectedAt: '' }),
      hasSnapshot: connection.hasSnapshot,
      refused: Object.fromEntries(connection.refused),
    }));
  }

  /** The proxy that is the newest now has not got what was added while a newer one was there (gap G25). */
  #resend(): void {
    const newest = this.#connections.at(-1);
    newest?.addAll(this.#options.pods).then(
      () => this.#options.log.info('pods sent again to the remaining node proxy', { proxies: this.proxies }),
      (error: unknown) => this.#options.log.warn('pods could not be sent again', { error: explain(error) }),
    );
  }

  /**
   * Hands a pod to the newest proxy, unless `signal` says before its turn that nobody waits for it. Rejects with its reason, or with
   * ERR_NODE_AGENT_NO_PROXY, _ZDS or _NACK; these are worth a retry.
   */
  async add(pod: HeldPod, signal?: AbortSignal): Promise<void> {
    const newest = this.#connections.at(-1);
    if (newest === undefined) {
      throw new NodeAgentError('ERR_NODE_AGENT_NO_PROXY', 'no node proxy is connected', {
        hint: 'kubectl -n istio-system get pods -l app=ztunnel -o wide',
      });
    }
    const error = await newest.request({ kind: 'add', pod }, signal);
    if (error !== '') throw new NodeAgentError('ERR_NODE_AGENT_NACK', `the node proxy refused the pod: ${error}`);
  }

  /**
   * Tells every proxy that a pod is gone. A proxy that has ended meanwhile needs no telling; one that refuses still has the pod's sockets:
   * rejects with ERR_NODE_AGENT_NACK, worth a retry (gap G24).
   */
  async delete(uid: string): Promise<void> {
    // Those of now: whoever leaves meanwhile is not in the list afterwards.
    const connections = [...this.#connections];
    const results = await Promise.allSettled(
      connections.map(async (connection) => connection.request({ kind: 'delete', uid })),
    );
    const failed = results.find((result, index) => result.status === 'rejected' && connections[index]?.isOpen === true);
    if (failed?.status === 'rejected') throw failed.reason;
    const refusal = results.find((result) => result.status === 'fulfilled' && result.value !== '');
    if (refusal?.status === 'fulfilled')
      throw new NodeAgentError('ERR_NODE_AGENT_NACK', `the node proxy refused to let the pod go: ${refusal.value}`);
  }

  /** Ends all connections; the proxies keep serving what they have. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }
}
