/**
 * HTTP/2 towards backends with prior knowledge, for h2 and gRPC ports (spec/waypoint.md 5.1, 5.2).
 * Path 4, step 9: called by upstream/try.ts on the data thread. Sessions are shared per key.
 */
import { WaypointError } from '../../errors.ts';
import type { OpenConnection, UpstreamClient } from '../upstream.ts';
import { Http2Call } from './client-call.ts';
import { SessionPool } from './session-pool.ts';

/** HTTP/2 towards backends. */
export interface Http2Client extends UpstreamClient {
  /** True when the backend announces the extended CONNECT (RFC 8441). Dials where it must; rejects as a call would. */
  takesWebsockets(key: string, open: OpenConnection): Promise<boolean>;
}

/** Makes the client of a data thread. */
export const createHttp2Client = (): Http2Client => {
  const pool = new SessionPool();
  return {
    takesWebsockets: async (key, open) => {
      const pooled = await pool.take(key, open, undefined, { leave: undefined, hasLeft: false });
      await pool.settled(pooled);
      pool.rest(pooled);
      return pooled.session.takesExtendedConnect;
    },
    send: (key, open, request, onInterim) => new Http2Call(pool, key, open, request, onInterim),
    retire: (isGone, limitMs, reason) => pool.retire(isGone, limitMs, reason),
    close: () => pool.close(new WaypointError('ERR_WAYPOINT_DRAIN', 'waypoint stopped')),
  };
};
