// Small drivers for endpoints in tests: promises around the callbacks.
import { AGAIN, type Endpoint, EOF } from '../endpoint.ts';
import { Region } from '../region.ts';

/** Writes a text or bytes as one region. */
export function send(endpoint: Endpoint, payload: string | Uint8Array): void {
  endpoint.write([Region.of(payload)]);
}

/** Writes in chunks and waits whenever asked to. */
export async function writeAll(endpoint: Endpoint, payload: Buffer, chunkBytes: number): Promise<void> {
  for (let at = 0; at < payload.length; at += chunkBytes) {
    const result = endpoint.write([Region.of(payload.subarray(at, at + chunkBytes))]);
    if (result === 'accepted') continue;
    await new Promise<void>((resolve) => {
      endpoint.onWritable = resolve;
    });
  }
}

/** Reads exactly `bytes`, or what came before the end. */
export async function readSome(endpoint: Endpoint, bytes: number): Promise<Buffer> {
  return gather(endpoint, bytes);
}

/** Reads until the end. */
export async function collect(endpoint: Endpoint): Promise<Buffer> {
  return gather(endpoint, Number.POSITIVE_INFINITY);
}

/** Resolves with the error (or undefined) when the endpoint is closed. */
export function closed(endpoint: Endpoint): Promise<Error | undefined> {
  return new Promise((resolve) => {
    endpoint.onClose = resolve;
  });
}

async function gather(endpoint: Endpoint, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let got = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const pump = (): void => {
    while (got < bytes) {
      const region = endpoint.read();
      if (region === AGAIN) return;
      if (region === EOF) break;
      parts.push(Buffer.from(region.bytes));
      got += region.length;
      region.release();
    }
    resolve();
  };
  endpoint.onReadable = pump;
  pump();
  await promise;
  endpoint.onReadable = undefined;
  return Buffer.concat(parts);
}
