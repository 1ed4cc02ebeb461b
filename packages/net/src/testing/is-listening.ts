// Whether somebody accepts connections. In: an address or the path of a socket. Out: yes or no, without keeping the connection.
import { once } from 'node:events';
import { connect, type NetConnectOpts } from 'node:net';

/** Tries once. */
export async function isListening(where: NetConnectOpts): Promise<boolean> {
  const socket = connect(where);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
