// Ends a core http2 session from wherever we are. Used by both session kinds.
import type { Http2Session } from 'node:http2';

/**
 * Destroys the session at the end of this turn. Our callers run in ticks that core drains while nghttp2 or OpenSSL may
 * still be on the stack; what is freed there must not be needed when they return.
 */
export function destroySoon(session: Http2Session, reason: Error | undefined, code: number): void {
  setImmediate(() => {
    if (!session.destroyed) session.destroy(reason, code);
  });
}
