/**
 * The handshake of SPDY/3.1 over HTTP/1.1 (spec/local-cluster.md 7.3). In: an upgrade request; out: 101 with the chosen
 * stream protocol. Called by the exec and port-forward sides.
 */

import { statusError } from '../status.ts';
import type { StreamRequest } from './command.ts';

const listOf = (header: string | string[] | undefined): string[] =>
  [header ?? []]
    .flat()
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');

/** True for a request to change to SPDY. */
export const wantsSpdy = (header: string | undefined): boolean => (header ?? '').toLowerCase() === 'spdy/3.1';

/** Answers 101; throws 403 when client and server have no protocol in common. */
export function acceptSpdy({ request, socket }: StreamRequest, served: string): void {
  const offered = listOf(request.headers['x-stream-protocol-version']);
  if (!offered.includes(served)) {
    throw statusError(
      403,
      'Forbidden',
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${served}]`,
    );
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${served}\r\n\r\n`,
  );
}
