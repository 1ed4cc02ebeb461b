/**
 * Two connected endpoints and a record in; the copy, then the completed record out. Last step of paths 1 and 2.
 *
 * Called by `outbound/listener.ts`, `inbound/listener.ts` and `inbound/passthrough.ts` on a data thread.
 */
import { type Endpoint, relay, type RelayResult } from '@ambit/net';
import type { CancelSignal } from '@ambit/runtime/cancellation';
import type { ConnectionRecord } from '../telemetry/connection-record.ts';
import { isRevoked, revokedPeer } from '../telemetry/response-flags.ts';

/** Copies until both directions ended or the signal aborts; completes the record. `client` is who opened the connection. */
export async function carry(
  client: Endpoint,
  upstream: Endpoint,
  options: { readonly record: ConnectionRecord; readonly signal: CancelSignal },
): Promise<void> {
  let seenUp = 0;
  let seenDown = 0;
  const { record, signal } = options;
  const result = await relay(client, upstream, {
    signal,
    onProgress(up, down) {
      record.bytes(up - seenUp, down - seenDown);
      seenUp = up;
      seenDown = down;
    },
  });
  record.bytes(result.aToB - seenUp, result.bToA - seenDown);
  record.complete(copyError(result));
}

/** The error of a copy with the direction it hurt: `send` is towards the upstream side (spec/node-proxy.md 12). */
function copyError({ error, failedSide }: RelayResult): Error | undefined {
  if (error === undefined || failedSide === undefined) return error;
  const direction = failedSide === 'a' ? 'send' : 'receive';
  return isRevoked(error) ? revokedPeer(error) : new Error(`${direction}: ${error.message}`, { cause: error });
}

/** An error to abort with when an endpoint closed before it was connected to anything. */
export function abandonedBy(who: string, cause: Error | undefined): Error {
  return new Error(
    `${who} closed the connection before it was established`,
    cause === undefined ? undefined : { cause },
  );
}
