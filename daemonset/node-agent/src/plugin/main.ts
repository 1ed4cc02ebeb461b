// The executable `istio-cni` on the host, started by the container runtime for every pod. In: CNI environment and stdin. Out: a CNI result.
// A process of its own: only this folder, the selection and Node's own modules may be imported. Source: spec node-agent 6.3, 6.4, 6.7.
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { readPluginEnvironment } from './config.ts';
import { appendToFile, logLine } from './plugin-log.ts';
import { type ApiObject, type PluginWorld, runPlugin } from './run-plugin.ts';

const timeoutMs = 5000;
const logTimeoutMs = 1000;
const answerLimit = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Call {
  readonly options: RequestOptions;
  readonly isTls: boolean;
  readonly body?: string;
  /** Default 5 s. */
  readonly limitMs?: number;
}

async function call({ options, isTls, body, limitMs = timeoutMs }: Call): Promise<Answer> {
  // Loaded when needed: TLS is most of the start time, and DEL needs neither.
  const { request: open } = isTls ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const request = open({ ...options, signal: AbortSignal.timeout(limitMs) }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answerLimit) request.destroy(new Error(`answer of more than ${answerLimit} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.on('error', reject);
    request.end(body);
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
  const { status, body } = await call({
    isTls: server.protocol === 'https:',
    options: {
      host: server.hostname.startsWith('[') ? server.hostname.slice(1, -1) : server.hostname,
      port: server.port === '' ? 443 : Number(server.port),
      path,
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      ...(ca === undefined ? {} : { ca }),
      // Off only where the operator said so (SKIP_TLS_VERIFY).
      rejectUnauthorized: isChecked,
    },
  });
  if (status === 200) return JSON.parse(body) as ApiObject;
  throw new Error(`GET ${path} answered ${status}`);
}

async function postLine(runDir: string, line: string): Promise<void> {
  const body = JSON.stringify([line]);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const options = { socketPath: join(runDir, 'log.sock'), path: '/log', method: 'POST', headers };
  await call({ isTls: false, body, limitMs: logTimeoutMs, options });
}

const world: PluginWorld = {
  environment: readPluginEnvironment(),
  // DEL must be fast and must not fail: it reads nothing.
  stdin: readPluginEnvironment()['CNI_COMMAND'] === 'ADD' ? readFileSync(0, 'utf8') : '',
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
  post: async (runDir, path, body) =>
    call({
      isTls: false,
      body,
      options: {
        socketPath: join(runDir, 'pluginevent.sock'),
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
    }),
  tell: async (runDir, message, fields) => {
    const line = logLine('error', message, fields);
    process.stderr.write(`${line}\n`);
    appendToFile(runDir, line);
    await postLine(runDir, line).catch(() => undefined); // without an agent the file has it
  },
  pause: async (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

const { stdout, status } = await runPlugin(world);
process.stdout.write(stdout);
process.exitCode = status;
