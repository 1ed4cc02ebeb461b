// In: a path of the API server. Out: the text there. For answers that are no objects (logs, version). Called by connect.ts.
import type { ApiAccess } from '@ambit/kube';
import { request } from 'node:https';
import { CliError } from '../errors.ts';

const limitBytes = 64 * 1024 * 1024;

/** Reads one answer. Rejects with ERR_CLI_CLUSTER_UNREACHABLE. */
export async function readText(access: ApiAccess, path: string): Promise<string> {
  const { options, headers } = await access.credentials();
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown): void =>
      reject(
        new CliError('ERR_CLI_CLUSTER_UNREACHABLE', `GET ${path}: ${message}`, {
          cause,
          hint: `is ${access.server} the right cluster?`,
        }),
      );
    const outgoing = request(new URL(access.server + path), { ...options, headers, timeout: 30_000 }, (response) => {
      const chunks: Buffer[] = [];
      let total = 0;
      response.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total > limitBytes) outgoing.destroy(new Error(`the answer is larger than ${limitBytes} bytes`));
        else chunks.push(chunk);
      });
      response.once('error', (error) => fail(error.message, error));
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else fail(`status ${response.statusCode}: ${text.slice(0, 300)}`);
      });
    });
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer within 30 s')));
    outgoing.once('error', (error) => fail(error.message, error));
    outgoing.end();
  });
}
