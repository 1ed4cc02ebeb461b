// The application behind every path, as a process of its own. The first byte of a connection chooses: `s` = swallow
// until the end, then answer one byte; `e` = echo. Plain node:net, so that it costs every path the same.
import { createServer } from 'node:net';

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.once('data', (first: Buffer) => {
    if (first[0] === 0x65) {
      if (first.length > 1) socket.write(first.subarray(1));
      socket.on('data', (chunk: Buffer) => socket.write(chunk));
    } else socket.resume();
    socket.on('end', () => (first[0] === 0x73 ? socket.end('k') : socket.end()));
  });
});
server.listen(0, '127.0.0.1', 512, () => {
  const address = server.address();
  if (typeof address === 'object') process.stdout.write(`listening ${address?.port}\n`);
});
