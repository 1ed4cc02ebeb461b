import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { repositoryRoot, sourceFlags } from '../commands/step.ts';
import { examplesOf, missingHeadings } from './readme.ts';
import { textOf, workspacePackages } from './workspace.ts';

const libraries = workspacePackages().filter(({ name }) => !['tsconfig', 'docs', 'checks', 'e2e'].includes(name));
const apps = new Set(['node-proxy', 'node-agent', 'waypoint', 'control-plane', 'local-cluster', 'cli']);

/**
 * Runs an example as a file of its package, so that it imports as a user would. In dist/, where no other tool looks, under a
 * name of this process: two runs of the tests may meet in one checkout.
 */
async function runExample(folder: string, index: number, source: string): Promise<string> {
  mkdirSync(`${repositoryRoot}${folder}/dist`, { recursive: true });
  const file = `${repositoryRoot}${folder}/dist/readme-example-${process.pid}-${index}.ts`;
  writeFileSync(file, source);
  try {
    const child = spawn(process.execPath, [...sourceFlags, file], {
      cwd: repositoryRoot,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: 110_000,
    });
    const errors: Buffer[] = [];
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    const outcome = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve(code === 0 ? '' : `ended with ${signal ?? `status ${code}`}`));
    });
    return outcome === ''
      ? ''
      : `${folder}/README.md example ${index + 1} ${outcome}: ${Buffer.concat(errors).toString('utf8').slice(0, 800)}`;
  } finally {
    rmSync(file);
  }
}

test('every package says what it is under the fixed headings', () => {
  const findings = libraries.flatMap(({ folder }) => {
    if (!existsSync(`${repositoryRoot}${folder}/README.md`)) return [`${folder}: no README.md`];
    return missingHeadings(textOf(`${folder}/README.md`)).map((heading) => `${folder}: no heading "${heading}"`);
  });
  assert.deepEqual(findings, []);
});

test('every app describes its architecture in less than 200 lines', () => {
  const findings = libraries
    .filter(({ name }) => apps.has(name))
    .flatMap(({ folder }) => {
      const file = `${folder}/ARCHITECTURE.md`;
      if (!existsSync(repositoryRoot + file)) return [`${file} is missing`];
      const lines = textOf(file).split('\n').length;
      return lines < 200 ? [] : [`${file} has ${lines} lines`];
    });
  assert.deepEqual(findings, []);
});

test('the examples of the READMEs run', { timeout: 300_000 }, async () => {
  const examples = libraries
    .filter(({ folder }) => existsSync(`${repositoryRoot}${folder}/README.md`))
    .flatMap(({ folder }) =>
      examplesOf(textOf(`${folder}/README.md`)).map((source, index) => ({ folder, index, source })),
    );
  const findings: string[] = [];
  // Examples wait more than they compute, so a few run at a time.
  const runSome = async (): Promise<void> => {
    for (let next = examples.shift(); next !== undefined; next = examples.shift()) {
      const finding = await runExample(next.folder, next.index, next.source);
      if (finding !== '') findings.push(finding);
    }
  };
  await Promise.all([runSome(), runSome(), runSome()]);
  assert.deepEqual(findings, []);
});

test('a planted README with a missing heading and a broken example is found', async () => {
  assert.deepEqual(missingHeadings('## What it is\n## Example\n'), [
    '## Who imports it',
    '## Promises',
    '## Limits',
    '## Metrics and errors',
  ]);
  assert.deepEqual(examplesOf('a\n```ts\nx\n```\n```sh\ny\n```\n'), ['x']);
  assert.match(await runExample('packages/checks', 99, "throw new Error('planted');"), /planted/);
});
