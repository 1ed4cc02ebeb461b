// Keys that waypoints sign tokens of sessions with (docs/adr/0014): derived per Gateway from one random root, which all replicas share in
// a Secret. Made when the first waypoint asks; deleting the Secret makes a new root, and all sessions begin anew. In: a client. Out: keys.
// Owned by app.ts; main thread.
import { type Informer, type KubeClient, KubeError, startInformer } from '@ambit/kube';
import type { Secret } from '@ambit/resources';
import { background } from '@ambit/runtime/background';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { hkdfSync, randomBytes } from 'node:crypto';

/** Name of the Secret with the root. */
export const SESSION_SECRET = 'ambit-session-keys';
const FIELD = 'root';
const ROOT_BYTES = 32;
const RETRY_MS = 10_000;

/** The keys in force. */
export interface SessionKeys {
  /** Key of a Gateway (`<namespace>/<name>`); undefined until the root is there. The first call asks for it. */
  keyOf(gateway: string): Uint8Array | undefined;
  /** Called after every change of the root. */
  onChange(listener: () => void): void;
  close(): void;
}

/** Where the root is kept. */
export interface SessionKeyOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly log: Logger;
}

/** Watches the root from the first question on. */
export function keepSessionKeys({ client, namespace, log }: SessionKeyOptions): SessionKeys {
  const listeners: (() => void)[] = [];
  const object = `Secret ${namespace}/${SESSION_SECRET}`;
  let root: Buffer | undefined;
  let informer: Informer | undefined;
  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;

  const take = (next: Buffer): void => {
    if (root?.equals(next) === true) return;
    root = next;
    for (const listener of listeners) listener();
  };
  const make = async (): Promise<void> => {
    const data = { [FIELD]: randomBytes(ROOT_BYTES).toString('base64') };
    try {
      await client.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: SESSION_SECRET, namespace },
        type: 'Opaque',
        data,
      } as Secret);
      log.info('root of session keys made', { object });
    } catch (error) {
      // Another replica was faster: what it made comes over the watch.
      if (KubeError.is(error, 'ERR_KUBE_ALREADY_EXISTS') || isClosed) return;
      log.warn('root of session keys not made, sessions hold per waypoint process until it is', {
        object,
        error: messageOf(error),
      });
      clearTimeout(retry);
      retry = setTimeout(() => background(log, 'session keys', make()), RETRY_MS).unref();
    }
  };
  const watch = (): Informer =>
    startInformer({
      client,
      kind: 'Secret',
      namespace,
      fieldSelector: `metadata.name=${SESSION_SECRET}`,
      log,
      onChanges(changes) {
        for (const change of changes) {
          const name = change.type === 'delete' ? change.name : change.object.metadata?.name;
          if (name !== SESSION_SECRET) continue;
          if (change.type === 'delete') {
            background(log, 'session keys', make());
            continue;
          }
          const next = Buffer.from((change.object as Secret).data?.[FIELD] ?? '', 'base64');
          if (next.length >= ROOT_BYTES) take(next);
          else log.error('root of session keys is too short, keeping the last good one', { object, field: FIELD });
        }
      },
    });
  const start = async (): Promise<void> => {
    informer = watch();
    await informer.synced;
    if (!isClosed && informer.get(namespace, SESSION_SECRET) === undefined) await make();
  };
  return {
    keyOf(gateway) {
      if (informer === undefined && !isClosed) background(log, 'session keys', start());
      if (root === undefined) return undefined;
      return new Uint8Array(hkdfSync('sha256', root, '', `ambit session key ${gateway}`, ROOT_BYTES));
    },
    onChange: (listener) => void listeners.push(listener),
    close() {
      isClosed = true;
      clearTimeout(retry);
      informer?.close();
    },
  };
}
