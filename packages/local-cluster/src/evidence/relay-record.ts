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

/** Writes the beginning of each chunk that is a request or a TLS record: time, a tab, hexadecimal. The file is renamed when it is full. */
export function recordPlaintext(nodeDir: string): (chunk: Buffer) => void {
  mkdirSync(nodeDir, { recursive: true });
  const file = join(nodeDir, FILE);
  let bytes = existsSync(file) ? statSync(file).size : 0;
  return (chunk) => {
    if (requestLineOf(chunk) === undefined && !isTlsRecord(chunk)) return;
    const line = `${Date.now()}\t${chunk.subarray(0, LINE_LIMIT).toString('hex')}\n`;
    if (bytes + line.length > FILE_LIMIT_BYTES) {
      renameSync(file, `${file}.old`);
      bytes = 0;
    }
    appendFileSync(file, line);
    bytes += line.length;
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
      const [at = '', hex = ''] = line.split('\t');
      if (Number(at) >= since && hex !== '') tally.add(Buffer.from(hex, 'hex'));
    }
  }
  return tally.report();
}
