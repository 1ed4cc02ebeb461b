// In: nothing. Out: the reference pages under packages/docs, written anew. Called by the root script `gen`.
import { writeFileSync } from 'node:fs';
import { repositoryRoot } from '../commands/step.ts';
import { referencePages } from './pages.ts';

for (const page of await referencePages()) writeFileSync(repositoryRoot + page.path, page.text);
