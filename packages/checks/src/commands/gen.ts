// In: nothing. Out: every generated file written anew. Called by the root script `gen`; CI fails when the tree is dirty afterwards.
import { existsSync } from 'node:fs';
import { repositoryRoot, report, runStep, sourceFlags, type StepResult } from './step.ts';

const generators = [
  { name: 'protobuf', file: 'packages/proto/src/gen.ts' },
  { name: 'reference pages', file: 'packages/checks/src/reference/write.ts' },
].filter((generator) => existsSync(repositoryRoot + generator.file));

const steps: StepResult[] = [];
for (const generator of generators) {
  steps.push(await runStep(generator.name, process.execPath, [...sourceFlags, repositoryRoot + generator.file]));
}
process.exitCode = report(steps);
