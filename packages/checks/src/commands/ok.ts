// In: nothing. Out: exit 0 when format, lint, types, dead code, unit tests and repository checks hold. Called by the root script `ok`.
import { repositoryRoot, report, runStep, sourceFlags, type StepResult, tool } from './step.ts';

const steps: StepResult[] = [
  await runStep('format', tool('oxfmt'), ['--check', '.'], { quiet: true }),
  await runStep('lint', tool('oxlint'), ['--type-aware', '.'], { quiet: true }),
  await runStep('types', tool('tsc'), ['-b'], { quiet: true }),
  await runStep(
    'dead code',
    tool('knip'),
    ['--no-progress', '--no-config-hints', '--config', 'packages/checks/knip.json'],
    {
      quiet: true,
    },
  ),
  await runStep('unit and repository checks', process.execPath, [
    ...sourceFlags,
    `${repositoryRoot}packages/checks/src/commands/test.ts`,
    'unit',
  ]),
];
process.exitCode = report(steps);
