// Bodies that come line by line: a watch (JSON objects), a log that is followed. In: byte chunks. Out: parsed values, or lines. Called by rest-client.ts.
import { KubeError } from './errors.ts';

/** Longest line of a watch: 16 MiB. etcd refuses objects over 1.5 MiB. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

/** Splits a stream into lines without their ends; empty ones are left out. Throws ERR_KUBE_PROTOCOL for one that is too long. */
async function* byteLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let heldBytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...held, chunk.subarray(start, end)]);
      held = [];
      heldBytes = 0;
      start = end + 1;
      if (line.length > 0) yield line;
    }
    if (start < chunk.length) held.push(chunk.subarray(start));
    heldBytes += chunk.length - start;
    if (heldBytes > maxBytes) throw new KubeError('ERR_KUBE_PROTOCOL', `line of more than ${maxBytes} bytes`);
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

/** Splits a stream into lines and parses them; throws ERR_KUBE_PROTOCOL for what is no JSON or too long. */
export async function* jsonLines(chunks: AsyncIterable<Buffer>, maxBytes = MAX_LINE_BYTES): AsyncGenerator<unknown> {
  for await (const line of byteLines(chunks, maxBytes)) yield parse(line);
}

/** Splits a stream into lines of text. Throws ERR_KUBE_PROTOCOL for one that is too long. */
export async function* textLines(chunks: AsyncIterable<Buffer>, maxBytes = MAX_LINE_BYTES): AsyncGenerator<string> {
  for await (const line of byteLines(chunks, maxBytes)) yield line.toString('utf8');
}

function parse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch (cause) {
    throw new KubeError('ERR_KUBE_PROTOCOL', `watch line of ${line.length} bytes is not json`, { cause });
  }
}
