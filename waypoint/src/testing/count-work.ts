/**
 * How much JavaScript a data plane runs for bytes of a client, counted exactly: a worker with V8's block counters, so that no clock and no
 * load of the machine has a say. In: shapes of input. Out: blocks of our own code that ran, and bytes that were sent. Used by
 * test/work-per-byte.test.ts; not part of the product.
 */
import { Session } from 'node:inspector/promises';
import { duplexPair } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';

/** One kind of input: pieces as they arrive, repeated on one connection until so many answers are there. */
export interface WorkShape {
  readonly name: string;
  readonly pieces: readonly string[];
  readonly answers: number;
}

/** What a shape took. */
export interface Work {
  readonly name: string;
  readonly bytes: number;
  readonly blocks: number;
}

/** Our own code, and the engine of regular expressions. */
const counted = ['/waypoint/src/', '/packages/', '/re2js/'];

const port = parentPort;
if (port !== null) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  // Only what is compiled from now on has counters.
  const { startWorkPlane } = await import('./work-plane.ts');
  const { fromDuplex } = await import('@ambit/net');
  const plane = startWorkPlane();
  const blocksRun = async (): Promise<number> => {
    const { result } = (await session.post('Profiler.takePreciseCoverage')) as {
      result: { url: string; functions: { ranges: { count: number }[] }[] }[];
    };
    let blocks = 0;
    for (const { url, functions } of result) {
      if (!counted.some((place) => url.includes(place))) continue;
      for (const { ranges } of functions) for (const { count } of ranges) blocks += count;
    }
    return blocks;
  };
  const run = async ({ pieces, answers }: WorkShape): Promise<number> => {
    const [client, server] = duplexPair();
    client.on('error', () => undefined);
    let text = '';
    const done = new Promise<void>((resolve) => {
      client.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
        if (text.split('HTTP/1.1 ').length > answers) resolve();
      });
      client.on('close', resolve);
      client.on('end', resolve);
    });
    plane.serveHttp(fromDuplex(server), 'work', 80);
    let bytes = 0;
    for (const piece of pieces) {
      bytes += piece.length;
      client.write(Buffer.from(piece, 'latin1'));
      if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await done;
    client.destroy();
    return bytes;
  };
  const shapes = workerData as readonly WorkShape[];
  for (const shape of shapes) await run(shape); // what happens once is no work of a request
  const found: Work[] = [];
  for (const shape of shapes) {
    await blocksRun();
    const bytes = await run(shape);
    found.push({ name: shape.name, bytes, blocks: await blocksRun() });
  }
  plane.destroy();
  port.postMessage(found);
}
