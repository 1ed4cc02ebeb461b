// Replays the recorded HTTP scenarios of the Kubernetes API against our API server (golden/kube-api). In: the recordings;
// out: `golden kube-api: <passed>/<total>` and the first differences. Fails for every scenario that differs and is not
// in the list of parts to come (kube-api/setup.ts).
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compare, fillIn } from './kube-api/match.ts';
import type { Bindings } from './kube-api/match.ts';
import { startServer } from './kube-api/server.ts';
import type { Answer, ReplayServer } from './kube-api/server.ts';
import { Webhooks } from './kube-api/webhooks.ts';
import { derivedSetup } from './kube-api/derive-setup.ts';
import { deviations, notYet, setupOf } from './kube-api/setup.ts';
import type { SetupRequest } from './kube-api/setup.ts';

const root = process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden');
const folder = join(root, 'kube-api');

interface Step {
  readonly request: {
    method: string;
    path: string;
    headers?: Record<string, string>;
    body?: unknown;
    bodyText?: string;
    auth?: string;
  };
  readonly response: {
    status: number;
    headers?: Record<string, string | string[]>;
    body?: unknown;
    bodyText?: string;
    bodyOmitted?: boolean;
    bodyBase64Prefix?: string;
    events?: unknown[];
    end?: string;
  };
  readonly note?: string;
  /** In place of a request: what webhooks were asked since the last step. */
  readonly webhookCalls?: readonly unknown[];
}

interface Scenario {
  readonly name: string;
  readonly steps: readonly Step[];
}

const recordedWebhooks = '127.0.0.1:18443';
const readJson = (name: string, port = 0): unknown =>
  JSON.parse(readFileSync(join(folder, name), 'utf8').replaceAll(recordedWebhooks, `127.0.0.1:${port}`));
const isOurs = (path: string): boolean => /^\/apis\/golden\.example\.com\/[^/]+\/./.test(path);

function bodyOf(
  body: unknown,
  headers: Readonly<Record<string, string>>,
  bindings: Bindings,
): string | Buffer | undefined {
  if (body === undefined) return undefined;
  if (body === '3.2 MB of JSON') return `{"data":"${'x'.repeat(3_200_000)}"}`;
  if (typeof body === 'string') {
    const isText = /[[{:"']|^$|\n/.test(body) || headers['Content-Type']?.includes('text/') === true;
    return fillIn(isText ? body : JSON.stringify(body), bindings);
  }
  if (typeof body === 'object' && body !== null && 'base64' in body) return Buffer.from(String(body.base64), 'base64');
  return fillIn(JSON.stringify(body), bindings);
}

function expectHeaders(step: Step, answer: Answer): string[] {
  const problems: string[] = [];
  for (const [name, value] of Object.entries(step.response.headers ?? {})) {
    if (!['Content-Type', 'Warning', 'Cache-Control', 'Retry-After'].includes(name)) continue;
    // We answer JSON where the real server answers protobuf (spec/local-cluster.md 3).
    if (String(value).includes('protobuf')) continue;
    const wanted = Array.isArray(value) ? value.join(', ') : value;
    const found = answer.headers[name.toLowerCase()];
    const shown = Array.isArray(found) ? found.join(', ') : found;
    if (shown !== wanted && !/line \d+/.test(wanted)) problems.push(`header ${name}: expected ${wanted}, got ${shown}`);
  }
  return problems;
}

const withoutDescription = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

/** Some answers were recorded in part: only spec, or chosen parts of metadata. */
function partOf(expected: unknown, actual: unknown): unknown {
  if (typeof expected !== 'object' || expected === null || typeof actual !== 'object' || actual === null) return actual;
  if (Array.isArray(expected) || 'kind' in expected || 'paths' in expected || !('spec' in actual)) return actual;
  if ('spec' in expected)
    return { ...actual, managedFields: (actual as { metadata?: { managedFields?: unknown } }).metadata?.managedFields };
  return actual.spec;
}

function check(step: Step, answer: Answer, bindings: Bindings): string[] {
  const { response, request } = step;
  const problems: string[] = [];
  const isProtobufOnly = response.bodyBase64Prefix !== undefined;
  const acceptsOnlyProtobuf = /^application\/vnd\.kubernetes\.protobuf[^,]*$/.test(request.headers?.['Accept'] ?? '');
  if ((isProtobufOnly || acceptsOnlyProtobuf) && response.status === 200)
    return answer.status === 406 ? [] : [`status: expected 406 (we answer no protobuf), got ${answer.status}`];
  if (answer.status !== response.status) {
    return [`status: expected ${response.status}, got ${answer.status}: ${answer.body.slice(0, 400)}`];
  }
  problems.push(...expectHeaders(step, answer));
  if (response.bodyText !== undefined && !isOurs(request.path) && response.status === 200) return problems;
  if (response.bodyText !== undefined) {
    return answer.body === response.bodyText
      ? problems
      : [
          ...problems,
          `body: expected ${JSON.stringify(response.bodyText)}, got ${JSON.stringify(answer.body.slice(0, 300))}`,
        ];
  }
  const isPart =
    typeof response.body === 'object' &&
    response.body !== null &&
    !Array.isArray(response.body) &&
    (!('kind' in response.body) || Object.keys(response.body).length === 1);
  const mode = {
    isLoose:
      !isOurs(request.path) || isPart || response.body === undefined || /shortened|without meta/.test(step.note ?? ''),
  };
  if (response.events !== undefined) {
    const events = answer.body
      .split('\n')
      .filter((line) => line !== '')
      .map(withoutDescription);
    return [...problems, ...compare(response.events, events, 'events', bindings, mode)];
  }
  if (response.body === undefined || isProtobufOnly) return problems;
  return [
    ...problems,
    ...compare(response.body, partOf(response.body, withoutDescription(answer.body)), 'body', bindings, mode),
  ];
}

class Replay {
  #etag = '';
  readonly #server: ReplayServer;
  readonly #webhooks: Webhooks;
  readonly bindings: Bindings = new Map();

  constructor(server: ReplayServer, webhooks: Webhooks) {
    this.#server = server;
    this.#webhooks = webhooks;
    this.bindings.set('<time>', `${new Date(server.timeMs).toISOString().slice(0, 19)}Z`);
  }

  #headers(auth: string | undefined, headers: Readonly<Record<string, string>> = {}): Record<string, string> {
    const token = auth === undefined ? this.#server.token : auth;
    return { ...headers, ...(auth === 'none' ? {} : { Authorization: `Bearer ${token}` }) };
  }

  async prepare(request: SetupRequest): Promise<void> {
    if (request.command === 'stop-webhooks') return this.#webhooks.close();
    if (request.command !== undefined) return this.#server.command(request.command);
    const answer = await this.#server.ask({
      method: request.method,
      path: request.path,
      headers: this.#headers(undefined, { 'Content-Type': request.contentType ?? 'application/json' }),
      ...(request.body === undefined ? {} : { body: this.#withWebhooks(JSON.stringify(request.body)) }),
    });
    if (answer.status >= 300 && request.method !== 'DELETE')
      throw new Error(`${request.method} ${request.path}: ${answer.body}`);
    if (request.bind !== undefined) {
      const { metadata } = JSON.parse(answer.body) as {
        metadata?: { resourceVersion?: string; uid?: string; continue?: string };
      };
      for (const name of request.bind) {
        const value = name.startsWith('<rv')
          ? metadata?.resourceVersion
          : name.startsWith('<uid')
            ? metadata?.uid
            : metadata?.continue;
        this.bindings.set(name, value ?? '');
      }
    }
    // Definitions need a moment until they are served.
    if (request.path.includes('customresourcedefinitions')) await new Promise((resolve) => setTimeout(resolve, 50));
  }

  #withWebhooks(text: string): string {
    const { port, caPem } = this.#webhooks;
    return text
      .replaceAll(recordedWebhooks, `127.0.0.1:${port}`)
      .replaceAll('<ca>', Buffer.from(caPem).toString('base64'));
  }

  /** What the webhooks were asked since the last look. */
  webhookCalls(expected: readonly unknown[]): string[] {
    return compare(expected, this.#webhooks.takeCalls(), 'webhookCalls', this.bindings, { isLoose: false });
  }

  /** The address of an OpenAPI document with its hash of now. */
  async #openApiHash(path: string): Promise<string> {
    const answer = await this.#server.ask({ method: 'GET', path: '/openapi/v3', headers: this.#headers(undefined) });
    const { paths } = JSON.parse(answer.body) as { paths: Record<string, { serverRelativeURL: string }> };
    const name = path.slice('/openapi/v3/'.length, path.indexOf('?'));
    return paths[name]?.serverRelativeURL ?? path;
  }

  async step(step: Step, during: readonly SetupRequest[], watchFrom: string): Promise<string[]> {
    const { request, response } = step;
    const headers = this.#headers(request.auth, request.headers);
    if ('If-None-Match' in headers) headers['If-None-Match'] = this.#etag;
    // A number is a revision of the recording for which the record has no placeholder.
    const recorded = request.path.replace(/resourceVersion=[1-9]\d{2,4}\b/, `resourceVersion=${watchFrom}`);
    const path = fillIn(recorded, this.bindings);
    const hash = /\?hash=[0-9A-F]{20,}$/.test(path) ? await this.#openApiHash(path) : undefined;
    const body = bodyOf(request.body ?? request.bodyText, headers, this.bindings);
    const isWatch = response.events !== undefined || /[?&]watch=(true|1)/.test(path);
    const asked = this.#server.ask({
      method: request.method,
      path: encodeURI(hash ?? path).replaceAll('%25', '%'),
      headers,
      ...(body === undefined ? {} : { body }),
      ...(isWatch
        ? {
            silenceMs: path.includes('timeoutSeconds') ? 2500 : 400,
            lines: response.end === 'client-closed' ? (response.events?.length ?? 0) : 0,
          }
        : {}),
    });
    if (during.length > 0) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const item of during) await this.prepare(item);
    }
    const answer = await asked;
    this.#etag = String(answer.headers['etag'] ?? this.#etag);
    return check(step, answer, this.bindings);
  }
}

/** Nothing of the last scenario may stay. */
const definitionsPath = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

async function reset(server: ReplayServer): Promise<void> {
  const headers = { Authorization: `Bearer ${server.token}`, 'Content-Type': 'application/merge-patch+json' };
  for (const collection of [
    '/apis/golden.example.com/v1/namespaces/golden/widgets',
    '/apis/golden.example.com/v1/gadgets',
  ]) {
    const base = collection;
    const list = JSON.parse((await server.ask({ method: 'GET', path: base, headers })).body) as {
      items?: { metadata: { name: string } }[];
    };
    for (const { metadata } of list.items ?? []) {
      await server.ask({
        method: 'PATCH',
        path: `${base}/${metadata.name}`,
        headers,
        body: '{"metadata":{"finalizers":null}}',
      });
      await server.ask({ method: 'DELETE', path: `${base}/${metadata.name}`, headers });
    }
  }
  for (const name of ['vers', 'lifes', 'dupes', 'cels']) {
    await server.ask({ method: 'DELETE', path: `${definitionsPath}/${name}.golden.example.com`, headers });
  }
}

const admissionKinds = [
  'validatingadmissionpolicybindings',
  'validatingadmissionpolicies',
  'mutatingwebhookconfigurations',
  'validatingwebhookconfigurations',
];

/** Nothing guards writes of the next scenario. */
async function removeGuards(server: ReplayServer): Promise<void> {
  const headers = { Authorization: `Bearer ${server.token}` };
  for (const kind of admissionKinds) {
    await server.ask({ method: 'DELETE', path: `/apis/admissionregistration.k8s.io/v1/${kind}`, headers });
  }
}

async function revisionOf(server: ReplayServer): Promise<string> {
  const answer = await server.ask({
    method: 'GET',
    path: '/api/v1/namespaces',
    headers: { Authorization: `Bearer ${server.token}` },
  });
  return (JSON.parse(answer.body) as { metadata: { resourceVersion: string } }).metadata.resourceVersion;
}

async function replay(
  server: ReplayServer,
  webhooks: Webhooks,
  scenario: Scenario,
  widgetSchema: unknown,
): Promise<string[]> {
  await removeGuards(server);
  await reset(server);
  const run = new Replay(server, webhooks);
  const setup = setupOf(scenario.name, widgetSchema) ?? derivedSetup(scenario.steps);
  const problems: string[] = [];
  let watchFrom = '0';
  for (const [index, step] of scenario.steps.entries()) {
    const requests = setup[index] ?? [];
    for (const request of requests.filter((item) => item.during !== true)) await run.prepare(request);
    if (index <= 1) watchFrom = await revisionOf(server);
    if (deviations[`${scenario.name}/${index}`] !== undefined) continue;
    if (step.webhookCalls !== undefined) {
      problems.push(...run.webhookCalls(step.webhookCalls).map((text) => `step ${index}: ${text}`));
      continue;
    }
    // Calls that were not recorded do not belong to those that were.
    webhooks.takeCalls();
    const found = await run.step(
      step,
      requests.filter((item) => item.during === true),
      watchFrom,
    );
    problems.push(...found.map((text) => `step ${index} ${step.request.method} ${step.request.path}: ${text}`));
  }
  return problems;
}

async function prepareServer(server: ReplayServer): Promise<unknown> {
  const definitions = readJson('_definitions.json') as {
    widgets: { spec: { versions: { schema: unknown }[] } };
    gadgets: unknown;
  };
  const headers = { Authorization: `Bearer ${server.token}`, 'Content-Type': 'application/json' };
  for (const definition of [definitions.widgets, definitions.gadgets]) {
    await server.ask({
      method: 'POST',
      path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      headers,
      body: JSON.stringify(definition),
    });
  }
  await server.ask({ method: 'POST', path: '/api/v1/namespaces', headers, body: '{"metadata":{"name":"golden"}}' });
  await new Promise((resolve) => setTimeout(resolve, 200));
  return definitions.widgets.spec.versions[0]?.schema;
}

test('recorded scenarios of the Kubernetes API', { timeout: 240_000 }, async (context) => {
  if (!existsSync(folder)) {
    assert.equal(process.env['AMBIT_GOLDEN_DIR'], undefined, `no recordings in ${folder}`);
    context.skip(`no recordings in ${folder}`);
    return;
  }
  const only = process.env['AMBIT_GOLDEN_ONLY'];
  const names = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('_'));
  const server = await startServer();
  const webhooks = new Webhooks(server.webhook);
  await webhooks.listen();
  const failed = new Map<string, readonly string[]>();
  let passed = 0;
  let listed = 0;
  try {
    const schema = await prepareServer(server);
    for (const name of names.filter((file) => only === undefined || file.startsWith(only))) {
      const scenario = readJson(name, webhooks.port) as Scenario;
      if (notYet[scenario.name] !== undefined) {
        listed++;
        continue;
      }
      // A recording that cannot be played spoils no other.
      const problems = await replay(server, webhooks, scenario, schema).catch((error: unknown) => [String(error)]);
      if (problems.length === 0) passed++;
      else failed.set(scenario.name, problems);
    }
  } finally {
    await webhooks.close();
    await server.close();
  }
  console.log(`golden kube-api: ${passed}/${passed + listed + failed.size}`);
  for (const [name, reason] of Object.entries(notYet)) console.log(`  listed: ${name}: ${reason}`);
  for (const [name, problems] of failed) {
    console.log(`  ${name}: ${problems.length} differences`);
    for (const problem of problems.slice(0, only === undefined ? 3 : 40)) console.log(`    ${problem}`);
  }
  assert.deepEqual([...failed.keys()], []);
});

interface ProtobufCase {
  readonly method: string;
  readonly path: string;
  readonly kind: string;
  readonly bodyBase64: string;
  readonly status: number;
  readonly response: unknown;
}

/** What the recorded clients had made before. */
async function prepareProtobuf(server: ReplayServer): Promise<void> {
  const headers = { Authorization: `Bearer ${server.token}`, 'Content-Type': 'application/json' };
  const post = (path: string, body: unknown): Promise<Answer> =>
    server.ask({ method: 'POST', path, headers, body: JSON.stringify(body) });
  await post('/api/v1/namespaces', { metadata: { name: 'pbns' } });
}

test('recorded protobuf bodies of real clients', { timeout: 60_000 }, async (context) => {
  const file = join(root, 'kube-clients', 'protobuf-bodies.json');
  if (!existsSync(file)) {
    assert.equal(process.env['AMBIT_GOLDEN_DIR'], undefined, `no recordings in ${file}`);
    context.skip(`no recordings in ${file}`);
    return;
  }
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly ProtobufCase[] };
  const server = await startServer();
  const failures: string[] = [];
  try {
    await prepareProtobuf(server);
    for (const [index, item] of cases.entries()) {
      const answer = await server.ask({
        method: item.method,
        path: item.path,
        headers: {
          Authorization: `Bearer ${server.token}`,
          Accept: 'application/json',
          'Content-Type': 'application/vnd.kubernetes.protobuf',
        },
        body: Buffer.from(item.bodyBase64, 'base64'),
      });
      // The recording server had no autoscaling/v1.
      if (item.status === 404) {
        if (answer.status !== 201) failures.push(`case ${index} ${item.kind}: status ${answer.status}`);
        continue;
      }
      const problems =
        answer.status === item.status
          ? compare(item.response, JSON.parse(answer.body), 'body', new Map(), { isLoose: true })
          : [`status: expected ${item.status}, got ${answer.status}: ${answer.body.slice(0, 300)}`];
      failures.push(...problems.map((text) => `case ${index} ${item.method} ${item.kind}: ${text}`));
    }
  } finally {
    await server.close();
  }
  const failed = new Set(failures.map((text) => text.split(' ')[1]));
  console.log(`golden kube-clients protobuf: ${cases.length - failed.size}/${cases.length}`);
  for (const text of failures.slice(0, 10)) console.log(`    ${text}`);
  assert.deepEqual(failures, []);
});
