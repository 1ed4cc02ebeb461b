// What a loopback relay carried in the clear, for the `wire` command. In: chunks of plaintext connections. Out: a short file per node,
// which another process reads. Called by the loopback node (write) and main.ts (read). Main thread.
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterFile, StatePaths } from '../cluster-state.ts';
import { isTlsRecord, requestLineOf, type WireReport, WireTally } from './payload.ts';

const FILE = 'relay-plaintext.log';
const FILE_LIMIT_BYTES = 256 * 1024;
const LINE_LIMIT = 200;

/**
 * Writes the beginning of each chunk that is a request or a TLS record: time, number and opening time of its connection, hexadecimal.
 * The file is renamed when it is full. The result is called once per connection and gives the writer of its chunks.
 */
export function recordPlaintext(nodeDir: string): () => (chunk: Buffer) => void {
  mkdirSync(nodeDir, { recursive: true });
  const file = join(nodeDir, FILE);
  let bytes = existsSync(file) ? statSync(file).size : 0;
  let connections = 0;
  const write = (flow: string, chunk: Buffer): void => {
    if (requestLineOf(chunk) === undefined && !isTlsRecord(chunk)) return;
    const line = `${Date.now()}\t${flow}\t${chunk.subarray(0, LINE_LIMIT).toString('hex')}\n`;
    if (bytes + line.length > FILE_LIMIT_BYTES) {
      renameSync(file, `${file}.old`);
      bytes = 0;
    }
    appendFileSync(file, line);
    bytes += line.length;
  };
  return () => {
    connections += 1;
    const flow = `${connections}\t${Date.now()}`;
    return (chunk) => write(flow, chunk);
  };
}

/** Waits for `seconds` and adds up what the relays of all nodes carried meanwhile. */
export async function watchRelays(cluster: ClusterFile, paths: StatePaths, seconds: number): Promise<WireReport> {
  const since = Date.now();
  await delay(seconds * 1000);
  const tally = new WireTally('relay');
  for (const { name } of cluster.nodes) {
    const file = join(paths.nodeDir(name), FILE);
    const text = [`${file}.old`, file].map((each) => (existsSync(each) ? readFileSync(each, 'latin1') : '')).join('');
    for (const line of text.split('\n')) {
      const [at = '', flow = '', opened = '', hex = ''] = line.split('\t');
      if (Number(at) < since || hex === '') continue;
      if (Number(opened) >= since) tally.open(`${name} ${flow}`);
      tally.add(Buffer.from(hex, 'hex'), `${name} ${flow}`);
    }
  }
  return tally.report();
}
