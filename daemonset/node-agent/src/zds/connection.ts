// In: one connected proxy. Out: hello read, snapshot sent, then one request at a time, each with exactly one answer.
// Called by server.ts. Main thread. Source: spec node-agent 5.3; gap G7: a connection is closed after any timeout, so that a late
// answer can never be taken for the answer of the next request.
import { explain } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import type { HeldPod } from '../enrol/netns-cache.ts';
import { NodeAgentError } from '../errors.ts';
import type { ZdsChannel } from './channel.ts';
import { encodeRequest, readAck, readHello, type ZdsRequest } from './messages.ts';

const answerTimeoutMs = 5000;

function uidOf(request: ZdsRequest): string {
  if (request.kind === 'add') return request.pod.uid;
  return request.kind === 'snapshot-sent' ? '' : request.uid;
}

/** The pods that the agent holds, as they are now. */
export interface ZdsPods {
  readonly list: () => readonly HeldPod[];
  readonly get: (uid: string) => HeldPod | undefined;
}

/** A proxy that is connected. */
export class ZdsConnection {
  readonly #channel: ZdsChannel;
  readonly #log: Logger;
  #last: Promise<unknown> = Promise.resolve();
  #isOpen = true;
  #hasSnapshot = false;
  /** Pods that this proxy refused last, with its words. */
  readonly refused = new Map<string, string>();

  constructor(channel: ZdsChannel, log: Logger) {
    this.#channel = channel;
    this.#log = log;
    void channel.closed.then(() => (this.#isOpen = false));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get hasSnapshot(): boolean {
    return this.#hasSnapshot;
  }

  /** Resolves when the proxy has gone. */
  get closed(): Promise<void> {
    return this.#channel.closed;
  }

  /**
   * Reads the hello, then hands over every pod as it is held at that moment: one that left meanwhile has a closed descriptor, whose number
   * may be another pod's already (gap G24). A pod that the proxy refuses is logged and does not stop the others.
   */
  async start(pods: ZdsPods): Promise<void> {
    await this.#inOrder(async () => {
      readHello(await this.#receive('hello'));
      await this.#addEach(pods, true);
      const end: ZdsRequest = { kind: 'snapshot-sent' };
      await this.#exchange(end, encodeRequest(end));
      this.#hasSnapshot = true;
    });
  }

  /** Hands over every pod once more; a proxy that has it already acknowledges it. Rejects with ERR_NODE_AGENT_ZDS. */
  async addAll(pods: ZdsPods): Promise<void> {
    await this.#inOrder(async () => this.#addEach(pods, false));
  }

  async #addEach(pods: ZdsPods, isSnapshot: boolean): Promise<void> {
    for (const { uid } of pods.list()) {
      const pod = pods.get(uid);
      if (pod === undefined) continue;
      const isNameOnly = this.#channel.carriesDescriptors && pod.netns === undefined;
      if (isNameOnly && !isSnapshot) continue;
      const request: ZdsRequest = isNameOnly ? { kind: 'keep', uid } : { kind: 'add', pod };
      const facts = { uid, pod: pod.workload.name, namespace: pod.workload.namespace };
      let message: Uint8Array;
      try {
        message = encodeRequest(request);
      } catch (error) {
        this.#log.error('a pod cannot be told to the node proxy and is left out', { ...facts, error: explain(error) });
        continue;
      }
      const error = await this.#exchange(request, message);
      if (error !== '') this.#log.warn('node proxy refused a pod', { ...facts, error });
    }
  }

  /**
   * Sends a request after those before it and returns the error text of its answer. Rejects with ERR_NODE_AGENT_ZDS, or with the reason of
   * `signal` when it is aborted before its turn: then nothing is sent (gap G24).
   */
  async request(request: ZdsRequest, signal?: AbortSignal): Promise<string> {
    // Outside of the order: a message that cannot be sent is that pod's problem, not the connection's.
    const message = encodeRequest(request);
    return this.#inOrder(async () => this.#exchange(request, message), signal);
  }

  close(): void {
    this.#isOpen = false;
    this.#channel.close();
  }

  async #inOrder<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const guarded = async (): Promise<T> => {
      signal?.throwIfAborted();
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

  async #exchange(request: ZdsRequest, message: Uint8Array): Promise<string> {
    await this.#channel.send(message, request.kind === 'add' ? request.pod.netns?.fd : undefined);
    const error = readAck(await this.#receive(`answer to ${request.kind}`));
    if (request.kind === 'delete' || error === '') this.refused.delete(uidOf(request));
    else this.refused.set(uidOf(request), error);
    return error;
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
