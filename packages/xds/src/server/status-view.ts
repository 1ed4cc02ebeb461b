// In: live connections. Out: who follows what and how far they are, as plain data. Called by: the admin server of the app. Pure.
import type { JsonObject } from '@bufbuild/protobuf';
import type { Connection } from './connection.ts';
import type { TypeState } from './subscription.ts';

/** How a client stands with one type. */
export type SyncState = 'SYNCED' | 'STALE' | 'NACK' | 'NOT_SENT';

/** One type on one stream. */
export interface TypeStatus {
  readonly typeUrl: string;
  readonly mode: 'wildcard' | 'on-demand';
  /** SYNCED = the last response was acknowledged; STALE = not yet; NACK = refused; NOT_SENT = nothing was sent. */
  readonly state: SyncState;
  readonly sentGeneration: number;
  readonly ackedGeneration: number;
  readonly sentAtMs: number;
  readonly lastNonce: string;
  readonly ackedNonce: string;
  readonly lastError: string | undefined;
  readonly nacks: number;
  /** Name to version of what was sent, for scoped and on-demand clients; undefined = everything of the source. */
  readonly held: ReadonlyMap<string, string> | undefined;
}

/** One connected client. */
export interface ClientStatus {
  readonly connectionId: number;
  readonly nodeId: string;
  readonly nodeType: string;
  /** What the client says of itself: `CLUSTER_ID`, `NAMESPACE`, `ISTIO_VERSION`, ... */
  readonly metadata: JsonObject;
  readonly peer: string;
  readonly identities: readonly string[];
  readonly connectedAtMs: number;
  readonly types: readonly TypeStatus[];
}

/** The view of all connections that introduced themselves. */
export function statusOf(connections: Iterable<Connection>): ClientStatus[] {
  const clients: ClientStatus[] = [];
  for (const { client, session } of connections) {
    if (client === undefined) continue;
    clients.push({
      connectionId: client.connectionId,
      nodeId: client.node.id,
      nodeType: client.node.type,
      metadata: client.node.metadata,
      peer: client.peer,
      identities: client.identity?.identities ?? [],
      connectedAtMs: client.connectedAtMs,
      types: [...session.types.values()].map(typeStatus),
    });
  }
  return clients;
}

function typeStatus(state: TypeState): TypeStatus {
  return {
    typeUrl: state.source.typeUrl,
    mode: state.isWildcard ? 'wildcard' : 'on-demand',
    state: syncState(state),
    sentGeneration: state.sentGeneration,
    ackedGeneration: state.ackedGeneration,
    sentAtMs: state.sentAtMs,
    lastNonce: state.lastNonce,
    ackedNonce: state.ackedNonce,
    lastError: state.lastError,
    nacks: state.nacks,
    held: state.sent,
  };
}

function syncState(state: TypeState): SyncState {
  if (state.lastNonce === '') return 'NOT_SENT';
  if (state.lastError !== undefined) return 'NACK';
  return state.ackedNonce === state.lastNonce ? 'SYNCED' : 'STALE';
}
