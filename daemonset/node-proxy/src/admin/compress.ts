/**
 * A body and the `Accept-Encoding` of its reader in; the encoded body and its header out. Main thread.
 *
 * Called by `server.ts` for the metrics page, which is large and scraped often. The work is done off the main thread by
 * zlib's own threads (spec/node-proxy.md 9.1).
 */
import { promisify } from 'node:util';
import { brotliCompress, constants, deflate, gzip, zstdCompress } from 'node:zlib';

type Encoder = (bytes: Buffer) => Promise<Buffer>;

const brotli = promisify(brotliCompress);
/** Most wanted first among equal weights; Brotli at a level that suits text made anew for each request. */
const ENCODERS: Readonly<Record<string, Encoder>> = {
  zstd: promisify(zstdCompress),
  gzip: promisify(gzip),
  br: async (bytes) => brotli(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  deflate: promisify(deflate),
};

/** Below this a header costs more than the encoding saves. */
const MIN_BYTES = 256;

/** The encoding of `ENCODERS` that the header prefers; undefined: none. */
export function chooseEncoding(header: string | undefined): string | undefined {
  let best: string | undefined;
  let bestWeight = 0;
  const weights = new Map<string, number>();
  for (const element of (header ?? '').slice(0, 1024).split(',')) {
    const [name, ...parameters] = element.split(';').map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    if (name !== undefined && name !== '') weights.set(name, weight === undefined ? 1 : Number(weight));
  }
  for (const name of Object.keys(ENCODERS)) {
    const weight = weights.get(name) ?? 0;
    if (weight > bestWeight) [best, bestWeight] = [name, weight];
  }
  return best;
}

/** Encodes a text as its reader likes. */
export async function compressed(
  text: string,
  acceptEncoding: string | undefined,
): Promise<{ readonly body: string | Buffer; readonly headers: Readonly<Record<string, string>> }> {
  const encoding = text.length < MIN_BYTES ? undefined : chooseEncoding(acceptEncoding);
  const encode = encoding === undefined ? undefined : ENCODERS[encoding];
  if (encoding === undefined || encode === undefined) return { body: text, headers: { vary: 'accept-encoding' } };
  return {
    body: await encode(Buffer.from(text)),
    headers: { 'content-encoding': encoding, vary: 'accept-encoding' },
  };
}
