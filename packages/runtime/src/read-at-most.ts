// In: a stream of bytes from outside. Out: all of it in one piece, when it is no more than allowed. Called by whoever reads a
// whole HTTP body. Any thread.

/**
 * Reads a stream to its end; undefined when it holds more than `maxBytes`, and then the rest is not read. Rejects with the
 * stream's error.
 */
export async function readAtMost(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer | undefined> {
  const kept: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) return undefined;
    kept.push(chunk);
  }
  return Buffer.concat(kept, bytes);
}
