// A bare API server as a child process, and requests to it. In: nothing; out: answers and watch events. Owned by the
// replay test, ends with it.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { WebhookCertificate } from './webhooks.ts';

/** One answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** True when the server ended the stream. */
  readonly ended: boolean;
}

/** What to ask. */
export interface Question {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Watches: stop after this many lines, or after the silence. */
  readonly lines?: number;
  readonly silenceMs?: number;
}

const entry = join(import.meta.dirname, '../../../packages/local-cluster/src/testing/serve-api.ts');

/** What the server says of itself at its start. */
interface Started {
  readonly port: number;
  readonly token: string;
  readonly caPem: string;
  readonly timeMs: number;
  readonly webhook: WebhookCertificate;
}

/** The running server. */
export class ReplayServer {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #caPem: string;
  readonly port: number;
  readonly token: string;
  /** The server's clock, which stands still. */
  readonly timeMs: number;
  /** Keys for webhooks on 127.0.0.1. */
  readonly webhook: WebhookCertificate;
  readonly #replies: (() => void)[];

  constructor(
    child: ChildProcess,
    folder: string,
    { port, token, caPem, timeMs, webhook }: Started,
    replies: (() => void)[],
  ) {
    this.timeMs = timeMs;
    this.#caPem = caPem;
    this.webhook = webhook;
    this.#child = child;
    this.#folder = folder;
    this.port = port;
    this.token = token;
    this.#replies = replies;
  }

  async ask(question: Question): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const call = request(
      {
        host: '127.0.0.1',
        port: this.port,
        method: question.method,
        path: question.path,
        headers: question.headers,
        ca: this.#caPem,
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        const isStream = question.silenceMs !== undefined;
        let timer: NodeJS.Timeout | undefined;
        const finish = (ended: boolean): void => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
            ended,
          });
          if (!ended) call.destroy();
        };
        const arm = (): void => {
          if (!isStream) return;
          clearTimeout(timer);
          timer = setTimeout(() => finish(false), question.silenceMs);
        };
        arm();
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          arm();
          if (
            isStream &&
            question.lines !== undefined &&
            question.lines > 0 &&
            Buffer.concat(chunks).toString('utf8').split('\n').length > question.lines
          )
            finish(false);
        });
        response.on('end', () => finish(true));
        response.on('error', () => finish(true));
      },
    );
    call.on('error', reject);
    if (question.body !== undefined) call.setHeader('Content-Length', Buffer.byteLength(question.body));
    call.end(question.body);
    return promise;
  }

  /** Tells the server to forget old changes (`compact`) or to move its clock by a second (`tick`). */
  async command(name: 'compact' | 'tick'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#replies.push(resolve);
    this.#child.stdin?.write(`${name}\n`);
    await promise;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#child.once('exit', () => resolve());
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await promise;
    clearTimeout(timer);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts a server in a folder of its own. */
export async function startServer(): Promise<ReplayServer> {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-t-kube-api-'));
  const child = spawn(process.execPath, ['--conditions=@ambit/source', entry, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const replies: (() => void)[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Started>();
  child.once('exit', (code) => reject(new Error(`api server ended with code ${code}`)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) resolve(JSON.parse(line) as Started);
    else replies.shift()?.();
  });
  return new ReplayServer(child, folder, await promise, replies);
}
