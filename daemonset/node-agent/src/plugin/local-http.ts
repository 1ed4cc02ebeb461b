// In: one request for a unix socket of the node agent. Out: its answer. Called by main.ts. A process of its own on the host: Node's own
// modules only. Not `node:http`: loading it costs more than twice as much as everything else that the plugin does (ADR 0002).

/** What the agent says. */
export interface LocalAnswer {
  readonly status: number;
  readonly body: string;
}

/** Longest answer, head included, in bytes. */
export const answerLimitBytes = 1024 * 1024;

const headEnd = '\r\n\r\n';
const lengthHeader = 'content-length:';

/** A request whose answer ends with the connection: a server must not send HTTP/1.0 clients an answer in chunks (RFC 9112, 6.1). */
export function requestOf(path: string, body: string): string {
  return [
    `POST ${path} HTTP/1.0`,
    'host: localhost',
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

/** Reads a whole answer. Throws Error on what is no HTTP answer, and on one that was cut. Pure. */
export function parseAnswer(bytes: Buffer): LocalAnswer {
  const at = bytes.indexOf(headEnd);
  const [first = '', ...headers] = bytes.subarray(0, Math.max(0, at)).toString('latin1').split('\r\n');
  const [version = '', code = ''] = first.split(' ');
  const status = Number(code);
  if (at < 0 || !version.startsWith('HTTP/1.') || code.length !== 3 || !Number.isInteger(status))
    throw new Error(`${bytes.length} bytes that are no HTTP answer`);
  const body = bytes.subarray(at + headEnd.length);
  const announced = headers.find((line) => line.toLowerCase().startsWith(lengthHeader))?.slice(lengthHeader.length);
  if (announced !== undefined && Number(announced) !== body.length)
    throw new Error(`an answer of ${body.length} bytes instead of ${announced.trim()}`);
  return { status, body: body.toString('utf8') };
}

/** Asks once. Rejects when nobody listens, when the answer cannot be read, is longer than 1 MiB, or is not whole in time. */
export async function postLocal(socketPath: string, path: string, body: string, limitMs: number): Promise<LocalAnswer> {
  // Loaded when needed: DEL, which every pod's end waits for, is a fifth cheaper without it.
  const { connect } = await import('node:net');
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    const socket = connect(socketPath);
    const late = setTimeout(() => socket.destroy(new Error(`no answer within ${limitMs} ms`)), limitMs);
    // Not ended: a server takes a client that has ended for one that has given up.
    socket.on('connect', () => socket.write(requestOf(path, body)));
    socket.on('data', (chunk: Buffer) => {
      total += chunk.length;
      if (total > answerLimitBytes) socket.destroy(new Error(`an answer of more than ${answerLimitBytes} bytes`));
      else chunks.push(chunk);
    });
    socket.on('error', reject);
    socket.on('close', (hadError) => {
      clearTimeout(late);
      if (hadError) return;
      try {
        resolve(parseAnswer(Buffer.concat(chunks)));
      } catch (error) {
        reject(error as Error);
      }
    });
  });
}
