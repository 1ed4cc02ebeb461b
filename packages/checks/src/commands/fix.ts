// In: nothing. Out: the tree formatted and with the lint findings fixed that a machine can fix. Called by the root script `fix`.
import { report, runStep, type StepResult, tool } from './step.ts';

const steps: StepResult[] = [
  await runStep('lint', tool('oxlint'), ['--type-aware', '--fix', '.']),
  await runStep('format', tool('oxfmt'), ['.']),
];
process.exitCode = report(steps);
