// In: nothing. Out: every generated file written anew. Called by the root script `gen`; CI fails when the tree is dirty afterwards.
import { repositoryRoot, report, runStep, sourceFlags, type StepResult } from './step.ts';

const generators = [
  { name: 'protobuf', file: 'packages/proto/src/generate.ts' },
  { name: 'charts', file: 'packages/charts/src/generate.ts' },
  { name: 'reference pages', file: 'packages/checks/src/reference/write.ts' },
];

const steps: StepResult[] = [];
for (const generator of generators) {
  steps.push(await runStep(generator.name, process.execPath, [...sourceFlags, repositoryRoot + generator.file]));
}
process.exitCode = report(steps);
