/**
 * The node agent's list of unprotected connections in; the denied ones told to the agent, which resets them. Main thread.
 *
 * Made by `app.ts`. A second unix socket beside the ZDS socket, because ZDS must stay as other proxies and agents speak it: an agent
 * without this socket (Istio's) is asked rarely and loses nothing.
 */
import { sleep } from '@ambit/runtime/clock';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { readAtMost } from '@ambit/runtime/read-at-most';
import type { UnprotectedConnection, UnprotectedDenial } from '../updates/judge-unprotected.ts';

// Imported by name, the module would evaluate its WebSocket, and with it load all of undici.
const { request } = process.getBuiltinModule('node:http');

/** Name of the agent's socket, in the folder of the ZDS socket. */
export const UNPROTECTED_SOCKET = 'ambit-unprotected.sock';

const POLL_MS = 2000;
/** Pause when nobody answers. */
const ABSENT_MS = 10_000;
const TIMEOUT_MS = 5000;
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** What the client works with. */
export interface UnprotectedClientOptions {
  readonly path: string;
  readonly judge: (connections: readonly UnprotectedConnection[]) => readonly UnprotectedDenial[];
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Asks again and again until aborted. Never rejects. */
export async function runUnprotectedClient({ path, judge, log, signal }: UnprotectedClientOptions): Promise<void> {
  while (!signal.aborted) {
    let pauseMs = POLL_MS;
    try {
      const denied = judge(readConnections(await exchange(path, 'GET', '', signal)));
      if (denied.length > 0) {
        log.info('unprotected connections are denied by policies', {
          count: denied.length,
          policies: [...new Set(denied.map(({ policy }) => policy))].slice(0, 10).join(','),
        });
        await exchange(path, 'POST', JSON.stringify(denied), signal);
      }
    } catch (error) {
      pauseMs = ABSENT_MS;
      log.debug('node agent does not list unprotected connections', { path, error: messageOf(error) });
    }
    await sleep(pauseMs, { signal }).catch(() => undefined);
  }
}

/** Reads the agent's list; entries that are none are left out. Throws on what is no JSON list. */
export function readConnections(text: string): readonly UnprotectedConnection[] {
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list)) throw new Error('the node agent did not send a list');
  return list.filter((entry): entry is UnprotectedConnection => {
    const { id, workload, source, destination } = (entry ?? {}) as Record<string, unknown>;
    const { name, namespace, serviceAccount } = (workload ?? {}) as Record<string, unknown>;
    return (
      typeof id === 'string' &&
      typeof name === 'string' &&
      typeof namespace === 'string' &&
      typeof serviceAccount === 'string' &&
      isAddress(source) &&
      isAddress(destination)
    );
  });
}

function isAddress(value: unknown): boolean {
  const { ip, port } = (value ?? {}) as Record<string, unknown>;
  return typeof ip === 'string' && typeof port === 'number';
}

async function exchange(path: string, method: 'GET' | 'POST', body: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: path,
        path: '/unprotected',
        method,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        readAtMost(response, MAX_BODY_BYTES).then((answer) => {
          if (answer === undefined) reject(new Error(`answer of more than ${MAX_BODY_BYTES} bytes`));
          else if (response.statusCode === 200) resolve(answer.toString('utf8'));
          else reject(new Error(`status ${response.statusCode}`));
        }, reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}
