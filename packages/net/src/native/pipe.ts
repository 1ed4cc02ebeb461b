// Anonymous pipes. Node.js joins processes by sockets, which cannot be opened through /proc; pipes can. In: who may open
// them. Out: two descriptors. Called by the node runtime of the local cluster.
import { closeSync, fchownSync } from 'node:fs';
import { checked, libc } from './libc.ts';
import * as c from './constants.ts';

/** The two ends of a pipe. The caller closes both; neither is inherited unless it is handed to a child. */
export interface PipeEnds {
  readonly read: number;
  readonly write: number;
}

/** Makes a pipe that processes of this user may open again by name (`/dev/stdout`). Throws ERR_NET_SYSTEM_CALL. */
export function openPipe(owner: number): PipeEnds {
  const fds = Buffer.alloc(8);
  checked('pipe2', 'O_CLOEXEC', libc().pipe2(fds, c.O_CLOEXEC));
  const ends = { read: fds.readInt32LE(0), write: fds.readInt32LE(4) };
  try {
    fchownSync(ends.read, owner, owner);
    return ends;
  } catch (error) {
    closeSync(ends.read);
    closeSync(ends.write);
    throw error;
  }
}
