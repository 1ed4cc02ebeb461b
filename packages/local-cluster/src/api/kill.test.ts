// What was answered is there after the process was killed: the promise "nothing acknowledged is lost".
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const entry = join(import.meta.dirname, '../testing/serve-api.ts');
const MAPS = '/api/v1/namespaces/default/configmaps';
const WRITERS = 6;
/** Answered writes before the kill; the kill itself meets writes under way. */
const ENOUGH = 120;

interface Running {
  readonly child: ChildProcess;
  readonly agent: Agent;
  /** Sends a request; rejects when the connection ends before the whole answer came. */
  ask(method: string, path: string, body?: object): Promise<{ status: number; object: Answered }>;
}

interface Answered {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly data?: { readonly round?: string };
  readonly items?: readonly Answered[];
}

async function start(stateDir: string): Promise<Running> {
  const child = spawn(process.execPath, ['--conditions=@ambit/source', entry, stateDir], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { port, token, caPem } = JSON.parse(line) as { port: number; token: string; caPem: string };
  const agent = new Agent({ keepAlive: true, ca: caPem });
  const ask: Running['ask'] = async (method, path, body) => {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; object: Answered }>();
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent }, (response: IncomingMessage) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, object: JSON.parse(text) as Answered }));
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    return promise;
  };
  return { child, agent, ask };
}

const mapOf = (name: string, round: number): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data: { round: String(round) },
});

/** The last answered round of a map, and the round that was under way when the process died. */
interface Wish {
  answered: string | undefined;
  attempted: string | undefined;
}

test('every write that was answered is there after kill -9, with its revision, and revisions go on', async (t) => {
  const stateDir = mkdtempSync(join(tmpdir(), 'ambit-t-kill-'));
  const first = await start(stateDir);
  let second: Running | undefined;
  t.after(async () => {
    for (const { child, agent } of [first, second].filter((each) => each !== undefined)) {
      agent.destroy();
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(stateDir, { recursive: true });
  });

  const wishes = new Map<string, Wish>();
  let answers = 0;
  let newest = 0;
  let isKilled = false;
  const write = async (writer: number): Promise<void> => {
    for (let round = 0; ; round += 1) {
      const name = `w${writer}-${Math.floor(round / 3)}`;
      const wish = wishes.get(name) ?? { answered: undefined, attempted: undefined };
      wishes.set(name, wish);
      // Each map is created, changed, and every other one deleted.
      const step = round % 3;
      const isDeletion = step === 2 && round % 2 === 0;
      wish.attempted = isDeletion ? undefined : String(round);
      const path = step === 0 ? MAPS : `${MAPS}/${name}`;
      const method = step === 0 ? 'POST' : isDeletion ? 'DELETE' : 'PUT';
      const { status, object } = await first.ask(method, path, isDeletion ? undefined : mapOf(name, round));
      assert.ok(status < 300, `${method} ${path}: ${status}`);
      wish.answered = wish.attempted;
      newest = Math.max(newest, Number(object.metadata.resourceVersion ?? 0));
      answers += 1;
      if (answers < ENOUGH || isKilled) continue;
      isKilled = true;
      first.child.kill('SIGKILL');
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: WRITERS }, async (_, writer) => write(writer)));
  assert.ok(isKilled, String(ended.map((each) => (each.status === 'rejected' ? String(each.reason) : ''))));

  second = await start(stateDir);
  const { object: list } = await second.ask('GET', MAPS);
  const found = new Map((list.items ?? []).map(({ metadata, data }) => [metadata.name, data?.round]));
  for (const [name, { answered, attempted }] of wishes) {
    const value = found.get(name);
    assert.ok(value === answered || value === attempted, `${name}: ${value}, answered ${answered}`);
  }
  assert.ok(Number(list.metadata.resourceVersion) >= newest);
  const { object: next } = await second.ask('POST', MAPS, mapOf('after', 0));
  assert.ok(Number(next.metadata.resourceVersion) > newest);
});
