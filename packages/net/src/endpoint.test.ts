// Runs the endpoint contract against every implementation of this package that needs no certificate.
import { Duplex } from 'node:stream';
import { fromDuplex, toDuplex } from './duplex.ts';
import { endpointContract } from './testing/endpoint-contract.ts';
import { memoryPair } from './testing/memory-pair.ts';
import { socketPair } from './testing/socket-pair.ts';

endpointContract('in memory', async () => {
  const [a, b] = memoryPair();
  return { a, b, dispose: () => {} };
});

endpointContract('TCP socket with reused blocks', async () => {
  const [a, b] = await socketPair();
  return { a, b, dispose: () => {} };
});

endpointContract('Node Duplex', async () => {
  const [left, right] = duplexPair();
  return { a: fromDuplex(left), b: fromDuplex(right), dispose: () => {} };
});

endpointContract('endpoint through Duplex and back', async () => {
  const [a, b] = await socketPair();
  return { a: fromDuplex(toDuplex(a)), b: fromDuplex(toDuplex(b)), dispose: () => {} };
});

function duplexPair(): [Duplex, Duplex] {
  const [a, b] = memoryPair();
  return [toDuplex(a), toDuplex(b)];
}
