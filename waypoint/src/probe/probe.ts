/**
 * The probe of `ambit check --probe`: the proxy's image, started with other arguments, as two kinds of pods that are captured like any
 * other. In: arguments. Out: a server that answers each connection, or one JSON line per target on standard output, then the end.
 * Called by main.ts before anything of a waypoint is loaded. Knows nothing of the mesh.
 */
import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';

/** What one attempt came to. */
export interface ProbeResult {
  readonly target: string;
  /** What the server says its name is; empty when it did not answer. */
  readonly answeredBy: string;
  /** From the connection's start to the whole answer, new tunnel included; of the attempt that counted. */
  readonly elapsedMs: number;
  readonly attempts: number;
  readonly error: string;
}

/** Answers are a name. */
const MAX_ANSWER_BYTES = 1024;
const ATTEMPT_MS = 5000;
const PAUSE_MS = 500;

/** Serves until SIGTERM. */
export async function serveProbe(port: number, host: string | undefined, name: string): Promise<void> {
  const server = createServer((_request, response) => response.end(name));
  server.listen(port, host);
  await once(process, 'SIGTERM');
  server.close();
  server.closeAllConnections();
}

async function ask(target: string): Promise<string> {
  const request = get(`http://${target}/`, { agent: false, timeout: ATTEMPT_MS });
  request.on('timeout', () => request.destroy(new Error(`no answer within ${ATTEMPT_MS} ms`)));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
  }
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  return text;
}

/** Asks a target until it answers, or the time is up. */
export async function probe(target: string, timeoutMs: number): Promise<ProbeResult> {
  const deadline = performance.now() + timeoutMs;
  for (let attempts = 1; ; attempts += 1) {
    const started = performance.now();
    try {
      const answeredBy = await ask(target);
      return { target, answeredBy, elapsedMs: performance.now() - started, attempts, error: '' };
    } catch (error) {
      const elapsedMs = performance.now() - started;
      if (performance.now() + PAUSE_MS > deadline)
        return {
          target,
          answeredBy: '',
          elapsedMs,
          attempts,
          error: error instanceof Error ? error.message : 'failed',
        };
    }
    await delay(PAUSE_MS);
  }
}

/** `--serve PORT --name NAME` or `--timeout MS TARGET...`, targets being `host:port`. `host`: address to listen on, default all. */
export async function runProbe(argv: readonly string[], host?: string): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      serve: { type: 'string' },
      name: { type: 'string', default: '' },
      timeout: { type: 'string', default: '20000' },
    },
  });
  if (values.serve !== undefined) {
    await serveProbe(Number(values.serve), host, values.name);
    return;
  }
  const results = await Promise.all(positionals.map(async (target) => probe(target, Number(values.timeout))));
  for (const result of results) process.stdout.write(`${JSON.stringify(result)}\n`);
}
