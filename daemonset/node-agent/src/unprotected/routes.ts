// In: HTTP requests of the node proxy on a unix socket beside the ZDS socket. Out: the unprotected connections that pods accepted; those
// that the proxy judges as denied are reset. The agent knows connections, the proxy knows policies (decisions W19; the choice is told in
// packages/docs/adr/0001). Called by app.ts. Main thread.
import type { AdminResponse, AdminRoute } from '@ambit/runtime/admin';
import { messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { lookAt } from './pod-table.ts';
import type { HeldPod, NetnsCache } from '../enrol/netns-cache.ts';
import { resetConnection } from './reset-connection.ts';
import type { TableConnection, TableView } from './table.ts';
import type { UnprotectedConnections } from './connections.ts';

/** Name of the socket, in the folder of the ZDS socket. */
export const unprotectedSocketName = 'ambit-unprotected.sock';
/** Most connections in one answer; the others come when these have ended. */
const listLimit = 2000;

/** What the routes work with. */
export interface UnprotectedRouteParts {
  readonly cache: NetnsCache;
  readonly unprotected: UnprotectedConnections;
  readonly log: Logger;
  readonly onReset: () => void;
  /** Replaced in tests. */
  readonly reset?: (netns: number, connection: TableConnection) => Promise<void>;
  readonly look?: (pod: HeldPod) => TableView;
}

interface Listed {
  readonly id: string;
  readonly pod: HeldPod;
  readonly connection: TableConnection;
}

/** Reads `[{ id, policy }]`; undefined for anything else. */
function denialsOf(text: string): readonly { readonly id: string; readonly policy: string }[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const read = value.map((entry: unknown) => {
    const { id, policy } = (entry ?? {}) as { id?: unknown; policy?: unknown };
    return typeof id === 'string' ? { id, policy: typeof policy === 'string' ? policy : '' } : undefined;
  });
  return read.every((entry) => entry !== undefined) ? read : undefined;
}

/** `GET /unprotected` lists, `POST /unprotected` resets by id. */
export function unprotectedRoutes(parts: UnprotectedRouteParts): Readonly<Record<string, AdminRoute>> {
  const { cache, unprotected, log, onReset, reset = resetConnection, look = ({ netns }) => lookAt(netns) } = parts;

  // As of now, not of the last count: the addresses of one that has ended may be those of one that a proxy carries.
  const accepted = (): readonly Listed[] =>
    cache.list().flatMap((pod) => {
      if (unprotected.count(pod.uid) === 0) return [];
      const { established, listening } = look(pod);
      unprotected.refresh(pod.uid, established);
      return unprotected
        .of(pod.uid)
        .filter(({ localPort }) => listening.has(localPort))
        .map((connection) => ({ id: `${pod.uid}/${connection.key}`, pod, connection }));
    });

  const list = (): AdminResponse => ({
    contentType: 'application/json',
    body: JSON.stringify(
      accepted()
        .slice(0, listLimit)
        .map(({ id, pod, connection }) => ({
          id,
          workload: pod.workload,
          source: { ip: connection.remoteAddress, port: connection.remotePort },
          destination: { ip: connection.localAddress, port: connection.localPort },
        })),
    ),
  });

  const resetDenied = async (text: string): Promise<AdminResponse> => {
    const denials = denialsOf(text);
    if (denials === undefined) return { status: 400, body: 'a list of { id, policy } is expected\n' };
    const known = new Map(accepted().map((entry) => [entry.id, entry]));
    let count = 0;
    for (const { id, policy } of denials) {
      // Only what this agent itself lists can be reset: a wrong id harms nobody.
      const entry = known.get(id);
      const netns = entry?.pod.netns;
      if (entry === undefined || netns === undefined) continue;
      const { pod, connection } = entry;
      const facts = {
        pod: pod.workload.name,
        namespace: pod.workload.namespace,
        source: `${connection.remoteAddress}:${connection.remotePort}`,
        destination: `${connection.localAddress}:${connection.localPort}`,
        policy,
      };
      try {
        await reset(netns.fd, connection);
        count += 1;
        onReset();
        log.info('unprotected connection was reset, because a policy denies it', facts);
      } catch (error) {
        log.warn('a denied unprotected connection could not be reset', { ...facts, error: messageOf(error) });
      }
    }
    return { contentType: 'application/json', body: JSON.stringify({ reset: count }) };
  };

  return {
    '/unprotected': async (request) => {
      if (request.method === 'GET') return list();
      if (request.method === 'POST') return resetDenied(await request.text());
      return { status: 405, body: 'GET or POST\n' };
    },
  };
}
