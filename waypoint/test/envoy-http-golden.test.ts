/**
 * Sends the recorded bytes of golden envoy-http through a tunnel to our data plane and compares what client, backend and
 * access log see with what they saw of Envoy. Prints `golden envoy-http: <passed>/<total>` and the first differences.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { startTestMesh } from '../src/testing/mesh.ts';
import { startBackend } from './envoy-http/backend.ts';
import { RawClient } from './envoy-http/client.ts';
import { deviations, factsOf } from './envoy-http/deviations.ts';
import {
  differences,
  expectedBytes,
  fits,
  type Outcome,
  requestSteps,
  type Situation,
} from './envoy-http/situation.ts';
import { FRONTEND, FRONTEND_PORT, translate } from './envoy-http/translate.ts';
import type { Yaml } from './envoy-http/yaml.ts';

const folder = join(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'envoy-http',
);
/** Names of the listeners that the file names differently. */
const listenerNames: Readonly<Record<string, string>> = {
  mergeredir: 'merge-redirect',
  jwtistio: 'jwt-istio',
  trusted: 'trusted2',
};
const recordedPorts = { one: 18100, mirror: 18101 };
/** Situations that run at the same time, each with a mesh of its own. */
const parallel = 6;
const answerMs = 4000;
const quietMs = 200;
/** Longest wait for the end of a connection that the recording saw ended. */
const endMs = 3000;

const readSituations = (): Situation[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Situation[]);

/** Situations that share state run one after the other in one mesh. */
const groupsOf = (situations: readonly Situation[]): Situation[][] => {
  const limited = situations.filter(({ area }) => area === 'ratelimit');
  const single = situations.filter(({ area }) => area !== 'ratelimit').map((situation) => [situation]);
  return limited.length === 0 ? single : [limited, ...single];
};

const runGroup = async (group: readonly Situation[], config: Yaml): Promise<Map<Situation, Outcome>> => {
  const outcomes = new Map<Situation, Outcome>();
  const backends = { mirror: await startBackend('mirror'), one: await startBackend('one') };
  const mesh = await startTestMesh({ accessLog: 'mesh' });
  try {
    const { listener } = group[0] as Situation;
    const ports = new Map([
      [recordedPorts.one, backends.one.port],
      [recordedPorts.mirror, backends.mirror.port],
    ]);
    mesh.configure(translate(config, listenerNames[listener] ?? listener, ports));
    for (const situation of group) {
      for (const backend of Object.values(backends)) backend.requests.length = 0;
      mesh.accessLines.length = 0;
      const tunnel = await mesh.tunnel(`${FRONTEND.split('/')[1]}:${FRONTEND_PORT}`, 'client', {
        forwarded: 'for="127.0.0.1:5555"',
      });
      const client = new RawClient(tunnel);
      await client.send(requestSteps(situation));
      const expected = expectedBytes(situation);
      await client.until(
        () => client.after !== 'open' || (expected !== '' && fits(expected, client.received)),
        answerMs,
      );
      const mayEnd = situation.connection_after === 'open' ? quietMs : endMs;
      await client.until(() => client.after !== 'open', mayEnd);
      const after = client.after;
      const { received } = client;
      client.leave();
      await client.until(() => mesh.accessLines.length >= situation.access_log.length, 1000);
      const upstream = Object.entries(backends).flatMap(([backend, { requests }]) =>
        requests.map(({ text }) => ({ backend, bytes: text })),
      );
      const log = mesh.accessLines.map((line) => JSON.parse(line) as Record<string, unknown>);
      outcomes.set(situation, { received, after, upstream, log });
    }
  } finally {
    mesh.close();
    for (const backend of Object.values(backends)) backend.close();
  }
  return outcomes;
};

const isListed = (situation: Situation, outcome: Outcome, config: Yaml): boolean => {
  const facts = factsOf(situation, config, listenerNames[situation.listener] ?? situation.listener);
  return deviations.some(
    ({ applies, instead }) =>
      applies(facts) && (instead === undefined || differences(instead(situation), outcome).length === 0),
  );
};

test('the engine answers recorded requests as Envoy does', { skip: !existsSync(folder) }, async () => {
  const config = parse(readFileSync(join(folder, 'config.yaml'), 'utf8'), { maxAliasCount: -1 }) as Yaml;
  const only = process.env['AMBIT_GOLDEN_ONLY'];
  const situations = readSituations().filter(({ id }) => only === undefined || id.startsWith(only));
  const queue = groupsOf(situations);
  const outcomes = new Map<Situation, Outcome>();
  const work = async (): Promise<void> => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      for (const [situation, outcome] of await runGroup(group, config)) outcomes.set(situation, outcome);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  // Some situations are about tenths of a second: what differs under load is looked at once more, alone.
  for (const group of groupsOf(situations)) {
    if (group.every((situation) => differences(situation, outcomes.get(situation) as Outcome).length === 0)) continue;
    if (group.every((situation) => isListed(situation, outcomes.get(situation) as Outcome, config))) continue;
    for (const [situation, outcome] of await runGroup(group, config)) outcomes.set(situation, outcome);
  }
  let passed = 0;
  let listed = 0;
  const failures: string[] = [];
  for (const situation of situations) {
    const outcome = outcomes.get(situation) as Outcome;
    const found = differences(situation, outcome);
    if (found.length === 0) passed += 1;
    else if (isListed(situation, outcome, config)) listed += 1;
    else failures.push(`${situation.id}: ${found.join('\n    ')}`);
  }
  process.stdout.write(`golden envoy-http: ${passed}/${situations.length}\n`);
  process.stdout.write(`golden envoy-http: ${listed} listed deviations, ${failures.length} failed\n`);
  for (const failure of failures.slice(0, 400)) process.stdout.write(`  ${failure}\n`);
  assert.equal(failures.length, 0);
});
