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
  /** Who waits for the next message; nobody while nothing is asked. */
  #waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #isRead = false;
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
      readHello(await this.#next('hello'));
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
    const answer = this.#next(`answer to ${request.kind}`);
    // When the write fails that is the reason, not the end that follows.
    answer.catch(() => undefined);
    await this.#channel.send(message, request.kind === 'add' ? request.pod.netns?.fd : undefined);
    const error = readAck(await answer);
    if (request.kind === 'delete' || error === '') this.refused.delete(uidOf(request));
    else this.refused.set(uidOf(request), error);
    return error;
  }

  /** The next message. Rejects with ERR_NODE_AGENT_ZDS when none comes in time, or the connection ends before. */
  async #next(what: string): Promise<Uint8Array> {
    const waiting = Promise.withResolvers<Uint8Array | undefined>();
    this.#waiting = waiting;
    if (!this.#isRead) {
      this.#isRead = true;
      void this.#read();
    }
    const timer = setTimeout(
      () =>
        waiting.reject(
          new NodeAgentError('ERR_NODE_AGENT_ZDS', `no ${what} from the node proxy within ${answerTimeoutMs} ms`),
        ),
      answerTimeoutMs,
    );
    try {
      const message = await waiting.promise;
      if (message === undefined)
        throw new NodeAgentError('ERR_NODE_AGENT_ZDS', `the node proxy ended the connection before its ${what}`);
      return message;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads all the time: the end of an idle connection, and words that nobody asked for, are noticed when they come. Never rejects. */
  async #read(): Promise<void> {
    try {
      for (;;) {
        const message = await this.#channel.receive();
        const waiting = this.#waiting;
        this.#waiting = undefined;
        if (message !== undefined && waiting !== undefined) {
          waiting.resolve(message);
          continue;
        }
        if (message !== undefined)
          this.#log.warn('node proxy spoke without being asked and is let go', {
            why: 'answers carry no number: this one would be taken for the next answer',
            try: 'it connects again; if that repeats, restart the node proxy of this node',
          });
        this.close();
        return waiting?.resolve(undefined);
      }
    } catch (error) {
      this.close();
      this.#waiting?.reject(error);
      this.#waiting = undefined;
    }
  }
}
