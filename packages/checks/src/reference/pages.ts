// In: the sources. Out: every generated reference page with its path. Called by write.ts and the repository tests.
import { envPage, envTables } from './env-page.ts';
import { fieldsPage } from './fields-page.ts';
import { allErrorCodes, errorReference, errorsPage } from './errors-page.ts';
import { metricsPage } from './metrics-page.ts';

/** One generated page; `path` is relative to the repository root. */
export interface ReferencePage {
  readonly path: string;
  readonly text: string;
}

/** All reference pages, as they should be. */
export async function referencePages(): Promise<readonly ReferencePage[]> {
  return [
    { path: 'packages/docs/env.md', text: await envPage(envTables) },
    { path: 'packages/docs/crd-fields.md', text: await fieldsPage() },
    { path: 'packages/docs/metrics.md', text: metricsPage() },
    { path: 'packages/docs/errors.md', text: errorsPage(allErrorCodes()) },
    { path: 'packages/cli/error-reference.json', text: errorReference(allErrorCodes()) },
  ];
}
