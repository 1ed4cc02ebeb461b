// Analysis against recorded behaviour: every case of `golden/cases/analyze` through `runAnalyze`, once as the command line tool
// reads files (`expected.json`: structured and log output, exit codes) and once with runtime kinds (`expected-full.json`: all
// messages with their analyzers). Texts of upstream's YAML reader count up to its name. Pure, one process, no sockets.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import {
  type AnalysisOptions,
  type AnalysisResult,
  type Level,
  levels,
  messageJson,
  type OutputFormat,
  runAnalyze,
} from '@ambit/model/analyze/index';
import { deviations } from './deviations.ts';

const folder = resolve(
  process.env['AMBIT_GOLDEN_DIR'] ?? join(import.meta.dirname, '../../../shared/golden'),
  'cases/analyze',
);

type RecordedMessage = Record<string, string>;
interface Expected {
  args: string[];
  exitCode: number;
  messages: RecordedMessage[];
  stderr: string;
  text: string;
  textStderr: string;
  textExitCode: number;
}
interface ExpectedFull {
  messages: RecordedMessage[];
  parseError?: string;
}

if (existsSync(folder)) {
  test('golden analyze', () => {
    const names = readdirSync(folder).toSorted((a, b) => (a < b ? -1 : 1));
    let passed = 0;
    const failures: string[] = [];
    const listed: string[] = [];
    for (const name of names) {
      const reason = deviations.analyze[name.slice(name.indexOf('-') + 1)];
      try {
        runCase(join(folder, name));
        passed++;
      } catch (error) {
        const text = error instanceof Error ? error.message.split('\n').slice(0, 40).join('\n') : String(error);
        if (reason === undefined) failures.push(`${name}: ${text}`);
        else listed.push(`${name}: ${reason}`);
      }
    }
    console.log(`golden analyze: ${passed}/${names.length} (listed: ${listed.length}, failed: ${failures.length})`);
    for (const line of listed) console.log(`  listed  ${line}`);
    for (const failure of failures.slice(0, 10)) console.log(`  failed  ${failure}`);
    assert.equal(failures.length, 0, `${failures.length} cases differ`);
  });
} else if (process.env['AMBIT_GOLDEN_DIR'] !== undefined) {
  test('golden analyze', () => assert.fail(`missing folder ${folder}`));
} else test('golden analyze', { skip: `no recorded behaviour in ${folder}` }, () => {});

function runCase(path: string): void {
  const read = (file: string): string => readFileSync(join(path, file), 'utf8');
  const expected = JSON.parse(read('expected.json')) as Expected;
  const { options, files, meshConfigFile } = parseArguments(expected.args);
  const mesh = meshConfigFile === undefined ? {} : { meshConfig: read(meshConfigFile) };
  const inputs = { files: files.map((name) => ({ name, text: read(name) })), nowMs: Date.now(), ...mesh };

  const structured = runAnalyze(inputs, options);
  assert.deepEqual(structured.messages.map(withoutUrl), expected.messages, 'messages');
  assert.equal(structured.exitCode, expected.exitCode, 'exit code');
  assert.equal(plain(structured.stderr), plain(expected.stderr), 'stderr');

  const log = runAnalyze(inputs, { ...options, format: 'log' });
  const lines = log.log.map((line) => `TIMESTAMP\twarn\tfile\t${line}\n`).join('');
  assert.equal(plain(lines + log.stdout), plain(expected.text), 'text');
  assert.equal(plain(log.stderr), plain(expected.textStderr), 'stderr of log output');
  assert.equal(log.exitCode, expected.textExitCode, 'exit code of log output');

  if (!existsSync(join(path, 'expected-full.json'))) return;
  const full = JSON.parse(read('expected-full.json')) as ExpectedFull;
  const cluster = runAnalyze({ ...inputs, areFilesCluster: true }, { allNamespaces: true });
  assert.deepEqual(findingsOf(cluster), full.messages.toSorted(byText), 'messages with runtime kinds');
  if (full.parseError !== undefined) assert.ok(plain(cluster.stderr).includes(plain(full.parseError)), 'parse error');
}

const withoutUrl = (message: AnalysisResult['messages'][number]): RecordedMessage => {
  const { documentationUrl: _, ...rest } = messageJson(message);
  return rest;
};

/** Of findings that read alike the one of the last analyzer was recorded. */
function findingsOf({ findings }: AnalysisResult): RecordedMessage[] {
  const all = findings.map(({ analyzer, message }) => ({ analyzer, ...withoutUrl(message) })).toSorted(byText);
  return [...new Map(all.map((one) => [JSON.stringify({ ...one, analyzer: '' }), one])).values()].toSorted(byText);
}

const keyOf = (message: RecordedMessage): string =>
  ['analyzer', 'code', 'origin', 'reference', 'message'].map((field) => message[field] ?? '').join('\0');
const byText = (a: RecordedMessage, b: RecordedMessage): number => (keyOf(a) < keyOf(b) ? -1 : 1);

/** What upstream's YAML reader says is its own affair. */
function plain(text: string): string {
  return text
    .split('\n')
    .map((line) => {
      const at = line.indexOf(': yaml: ');
      return at < 0 ? line : line.slice(0, at);
    })
    .join('\n');
}

interface Arguments {
  readonly options: AnalysisOptions;
  readonly files: readonly string[];
  readonly meshConfigFile?: string;
}

/** Flags of the command line tool that recorded cases use. */
function parseArguments(args: readonly string[]): Arguments {
  const flags = new Map<string, string[]>();
  const files: string[] = [];
  const switches = new Set(['-A', '--all-namespaces', '-v', '--verbose', '--ignore-unknown']);
  const queue = args.slice(1).flatMap((arg) => (arg.startsWith('--') && arg.includes('=') ? split(arg) : [arg]));
  while (queue.length > 0) {
    const arg = queue.shift() ?? '';
    if (!arg.startsWith('-')) files.push(arg);
    else flags.set(arg, [...(flags.get(arg) ?? []), switches.has(arg) ? 'true' : (queue.shift() ?? '')]);
  }
  const all = (...names: string[]): string[] => names.flatMap((name) => flags.get(name) ?? []);
  const level = (name: string): Level | undefined =>
    levels.find((known) => known.toLowerCase() === all(name).at(-1)?.toLowerCase());
  const [failureThreshold, outputThreshold] = [level('--failure-threshold'), level('--output-threshold')];
  const namespace = all('-n', '--namespace').at(-1);
  const meshConfigFile = all('--meshConfigFile').at(-1);
  return {
    files,
    ...(meshConfigFile !== undefined && { meshConfigFile }),
    options: {
      allNamespaces: all('-A', '--all-namespaces').length > 0,
      suppressions: all('-S', '--suppress'),
      analyzers: all('--analyzer'),
      format: (all('-o', '--output').at(-1) ?? 'log') as OutputFormat,
      isVerbose: all('-v', '--verbose').length > 0,
      ignoreUnknown: all('--ignore-unknown').length > 0,
      ...(namespace !== undefined && { namespace }),
      ...(failureThreshold !== undefined && { failureThreshold }),
      ...(outputThreshold !== undefined && { outputThreshold }),
    },
  };
}

const split = (arg: string): string[] => [arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1)];
