// The executable `istio-cni` on the host, started by the container runtime for every pod. In: CNI environment and stdin. Out: a CNI result.
// A process of its own: only this folder, the selection and Node's own modules may be imported. Source: spec node-agent 6.3, 6.4, 6.7.
import { readFileSync, readSync, writeSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { readPluginEnvironment } from './config.ts';
import { answerLimitBytes, type LocalAnswer, postLocal } from './local-http.ts';
import { configLimit } from './network-config.ts';
import { appendToFile, logLine } from './plugin-log.ts';
import { type ApiObject, type PluginWorld, runPlugin } from './run-plugin.ts';

const timeoutMs = 5000;
const logTimeoutMs = 1000;

async function get(options: RequestOptions, isTls: boolean): Promise<LocalAnswer> {
  // Loaded when needed: it takes longer than everything else together, and a pod that the agent decides about needs neither.
  const { request: open } = isTls ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const request = open({ ...options, signal: AbortSignal.timeout(timeoutMs) }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerLimitBytes) request.destroy(new Error(`answer of more than ${answerLimitBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.on('error', reject);
    request.end();
  });
}

/** The kubeconfig that the agent wrote: JSON, which is YAML too. */
function accessOf(runDir: string): {
  readonly server: URL;
  readonly ca: string | undefined;
  readonly isChecked: boolean;
  readonly token: string;
} {
  const config = JSON.parse(readFileSync(join(runDir, 'istio-cni-kubeconfig'), 'utf8')) as {
    clusters: {
      cluster: { server: string; 'certificate-authority-data'?: string; 'insecure-skip-tls-verify'?: boolean };
    }[];
    users: { user: { token: string } }[];
  };
  const cluster = config.clusters[0]?.cluster;
  const token = config.users[0]?.user.token;
  if (cluster === undefined || token === undefined) throw new Error('the kubeconfig names no cluster or no user');
  const data = cluster['certificate-authority-data'];
  return {
    server: new URL(cluster.server),
    ca: data === undefined ? undefined : Buffer.from(data, 'base64').toString('utf8'),
    isChecked: cluster['insecure-skip-tls-verify'] !== true,
    token,
  };
}

type Access = ReturnType<typeof accessOf>;

async function readObject({ server, ca, isChecked, token }: Access, path: string): Promise<ApiObject> {
  const { status, body } = await get(
    {
      host: server.hostname.startsWith('[') ? server.hostname.slice(1, -1) : server.hostname,
      port: server.port === '' ? 443 : Number(server.port),
      path,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      ...(ca === undefined ? {} : { ca }),
      // Off only where the operator said so (SKIP_TLS_VERIFY).
      rejectUnauthorized: isChecked,
    },
    server.protocol === 'https:',
  );
  if (status === 200) return JSON.parse(body) as ApiObject;
  throw new Error(`GET ${path} answered ${status}`);
}

/** Standard input to its end, or a little more than is taken: the rest of a text that is too long makes no difference. */
function readInput(): string {
  const chunks: Buffer[] = [];
  for (let total = 0; total <= configLimit;) {
    const chunk = Buffer.alloc(64 * 1024);
    const length = readSync(0, chunk);
    if (length === 0) break;
    total += length;
    chunks.push(chunk.subarray(0, length));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Writes the result without Node's streams, which take as long to load as the rest of a DEL; a pipe that is full and does not block needs them. */
function writeOutput(text: string): void {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    process.stdout.write(rest);
  }
}

const world: PluginWorld = {
  environment: readPluginEnvironment(),
  // DEL must be fast and must not fail: it reads nothing.
  stdin: readPluginEnvironment()['CNI_COMMAND'] === 'ADD' ? readInput() : '',
  connect: (runDir) => {
    const access = accessOf(runDir);
    return async (namespace, name) => {
      const root = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
      const [found, around] = await Promise.all([
        readObject(access, `${root}/pods/${encodeURIComponent(name)}`),
        readObject(access, root),
      ]);
      return { pod: found, namespace: around };
    };
  },
  post: async (runDir, path, body) => postLocal(join(runDir, 'pluginevent.sock'), path, body, timeoutMs),
  tell: async (runDir, message, fields) => {
    const line = logLine('error', message, fields);
    process.stderr.write(`${line}\n`);
    appendToFile(runDir, line);
    // Without an agent the file has it.
    await postLocal(join(runDir, 'log.sock'), '/log', JSON.stringify([line]), logTimeoutMs).catch(() => undefined);
  },
  pause: async (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const { stdout, status } = await runPlugin(world);
process.exitCode = status;
writeOutput(stdout);
