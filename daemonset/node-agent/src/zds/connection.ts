// In: one connected proxy. Out: hello read, snapshot sent, then one request at a time, each with exactly one answer.
// Called by server.ts. Main thread. Source: spec node-agent 5.3; gap G7: a connection is closed after any timeout, so that a late
// answer can never be taken for the answer of the next request.
import type { Logger } from '@ambit/runtime/log';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { NodeAgentError } from '../errors.ts';
import type { ZdsChannel } from './channel.ts';
import { encodeRequest, readAck, readHello, type ZdsRequest } from './messages.ts';

const answerTimeoutMs = 5000;

/** A proxy that is connected. */
export class ZdsConnection {
  readonly #channel: ZdsChannel;
  readonly #log: Logger;
  #last: Promise<unknown> = Promise.resolve();
  #isOpen = true;

  constructor(channel: ZdsChannel, log: Logger) {
    this.#channel = channel;
    this.#log = log;
    void channel.closed.then(() => (this.#isOpen = false));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Resolves when the proxy has gone. */
  get closed(): Promise<void> {
    return this.#channel.closed;
  }

  /** Reads the hello, then hands over every pod. A pod that the proxy refuses is logged and does not stop the others. */
  async start(snapshot: () => readonly HeldPod[]): Promise<void> {
    await this.#inOrder(async () => {
      readHello(await this.#receive('hello'));
      for (const pod of snapshot()) {
        const isNameOnly = this.#channel.carriesDescriptors && pod.netns === undefined;
        const error = await this.#exchange(isNameOnly ? { kind: 'keep', uid: pod.uid } : { kind: 'add', pod });
        if (error !== '')
          this.#log.warn('node proxy refused a pod of the snapshot', {
            uid: pod.uid,
            pod: pod.workload.name,
            namespace: pod.workload.namespace,
            error,
          });
      }
      await this.#exchange({ kind: 'snapshot-sent' });
    });
  }

  /** Sends a request after those before it and returns the error text of its answer. Rejects with ERR_NODE_AGENT_ZDS. */
  async request(request: ZdsRequest): Promise<string> {
    return this.#inOrder(async () => this.#exchange(request));
  }

  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }

  async #inOrder<T>(work: () => Promise<T>): Promise<T> {
    const guarded = async (): Promise<T> => {
      if (!this.#isOpen) throw new NodeAgentError('ERR_NODE_AGENT_ZDS', 'the connection to the node proxy has ended');
      try {
        return await work();
      } catch (error) {
        this.close();
        throw error;
      }
    };
    const mine = this.#last.then(guarded, guarded);
    this.#last = mine;
    return mine;
  }

  async #exchange(request: ZdsRequest): Promise<string> {
    await this.#channel.send(encodeRequest(request), request.kind === 'add' ? request.pod.netns?.fd : undefined);
    return readAck(await this.#receive(`answer to ${request.kind}`));
  }

  async #receive(what: string): Promise<Uint8Array> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () =>
        late.reject(
          new NodeAgentError('ERR_NODE_AGENT_ZDS', `no ${what} from the node proxy within ${answerTimeoutMs} ms`),
        ),
      answerTimeoutMs,
    );
    try {
      const message = await Promise.race([this.#channel.receive(), late.promise]);
      if (message === undefined)
        throw new NodeAgentError('ERR_NODE_AGENT_ZDS', `the node proxy ended the connection before its ${what}`);
      return message;
    } finally {
      clearTimeout(timer);
    }
  }
}
