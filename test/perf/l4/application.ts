// The application behind every path, as a process of its own: `[address] [port]`, default a free port of loopback. The
// first byte of a connection chooses: `s` = swallow until the end, then answer one byte; `e` = echo; `d` = send without
// end. Plain node:net with one reused buffer, so that it costs every path the same.
import { createServer, type Socket } from 'node:net';

const CHUNK = Buffer.alloc(256 * 1024, 0x63);
const [address = '127.0.0.1', port = '0'] = process.argv.slice(2);

function sendWithoutEnd(socket: Socket): void {
  const pump = (): void => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', pump);
  pump();
}

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    const kind = String.fromCharCode(first[0] ?? 0);
    if (kind === 'd') return sendWithoutEnd(socket);
    if (kind === 'e') {
      if (first.length > 1) socket.write(first.subarray(1));
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
    } else socket.resume();
    socket.on('end', () => (kind === 's' ? socket.end('k') : socket.end()));
  });
});
server.listen(Number(port), address, 512, () => {
  const bound = server.address();
  if (typeof bound === 'object') process.stdout.write(`listening ${bound?.port}\n`);
});
