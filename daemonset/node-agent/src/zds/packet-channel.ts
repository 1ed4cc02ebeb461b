// In: connected SEQPACKET sockets. Out: ZdsChannels that carry descriptors. Called by listen.ts. Main thread.
import { closeFd, listenSequenced, type SequencedSocket } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import type { AcceptPace } from './accept-pace.ts';
import type { ZdsChannel } from './channel.ts';
import type { StopAccepting } from './listen.ts';

function packetChannel(socket: SequencedSocket): ZdsChannel {
  return {
    carriesDescriptors: true,
    send: async (message, fd) => socket.send(message, fd),
    receive: async () => {
      const packet = await socket.receive();
      // A proxy has no descriptors to give.
      for (const fd of packet?.fds ?? []) closeFd(fd);
      return packet?.bytes;
    },
    close: () => socket.close(),
    closed: socket.closed,
  };
}

/** Listens for proxies that pass descriptors. */
export function listenForPackets(path: string, pace: AcceptPace, log: Logger): StopAccepting {
  const listener = listenSequenced(path, (socket) => pace.admit(packetChannel(socket)));
  log.info('listening for node proxies', { path });
  return async () => listener.close();
}
