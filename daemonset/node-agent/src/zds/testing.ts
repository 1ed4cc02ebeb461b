// Node proxies of the tests: they say hello, write down what they are asked, and answer as the test says. In: answers. Out: a channel.
import { Version, WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from '@ambit/proto/zds';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { HeldPod } from '../enrol/netns-cache.ts';
import type { ZdsChannel } from './channel.ts';

/** A pod of the agent's, whose namespace is not held. */
export const heldPod = (uid: string): HeldPod => ({
  uid,
  workload: { name: uid, namespace: 'shop', serviceAccount: 'sa' },
  ips: ['10.0.0.1'],
  netns: undefined,
  capture: 'installed',
});

/** How the proxy behaves. */
export interface ProxyScript {
  /** Error text per request (`add one`, `keep one`, `del one`, `snapshotSent`); undefined: it does not answer. What is thrown is a failed write. */
  readonly answer?: (request: string) => string | undefined;
  readonly carriesDescriptors?: boolean;
  /** Version of its hello; undefined: it says none. */
  readonly hello?: Version | undefined;
}

/** The proxy. */
export interface ScriptedProxy {
  readonly channel: ZdsChannel;
  /** What it was asked, in order. */
  readonly seen: readonly string[];
  /** Sends an acknowledgement that nobody may have asked for. */
  readonly say: (error: string) => void;
}

/** Makes a proxy that acknowledges everything unless the script says otherwise. */
export function scriptedProxy(script: ProxyScript = {}): ScriptedProxy {
  const { answer = () => '', carriesDescriptors = false } = script;
  const hello = 'hello' in script ? script.hello : Version.V1;
  const seen: string[] = [];
  const messages: Uint8Array[] = [];
  let waiting: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  let isOpen = true;
  const closed = Promise.withResolvers<void>();
  const settle = (): void => {
    if (waiting === undefined || (messages.length === 0 && isOpen)) return;
    waiting.resolve(isOpen ? messages.shift() : undefined);
    waiting = undefined;
  };
  const push = (message: Uint8Array): void => {
    messages.push(message);
    settle();
  };
  const say = (error: string): void =>
    push(
      toBinary(WorkloadResponseSchema, create(WorkloadResponseSchema, { payload: { case: 'ack', value: { error } } })),
    );
  if (hello !== undefined) push(toBinary(ZdsHelloSchema, create(ZdsHelloSchema, { version: hello })));
  return {
    seen,
    say,
    channel: {
      carriesDescriptors,
      send: async (message) => {
        const { payload } = fromBinary(WorkloadRequestSchema, message);
        const request =
          payload.case === 'add' || payload.case === 'del' || payload.case === 'keep'
            ? `${payload.case} ${payload.value.uid}`
            : String(payload.case);
        seen.push(request);
        const error = answer(request);
        if (error !== undefined) say(error);
      },
      receive: async () => {
        waiting = Promise.withResolvers();
        const { promise } = waiting;
        settle();
        return promise;
      },
      close() {
        isOpen = false;
        closed.resolve();
        settle();
      },
      closed: closed.promise,
    },
  };
}
