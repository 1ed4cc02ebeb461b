// In: a cluster. Out: one line per check with what to do, and the exit status 0 or 3. Called by command.ts.
import { codeOf, messageOf } from '@ambit/runtime/errors';
import { setTimeout as delay } from 'node:timers/promises';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { documentOf, printDocument } from '../output/print-listing.ts';
import { clusterChecks, leftovers, preChecks } from './cluster-checks.ts';
import { type Finding, junitOf, renderFindings } from './finding.ts';
import { meshChecks } from './mesh-checks.ts';
import { checkTopics } from './topics.ts';

/** Options of the command. */
export interface CheckOptions {
  readonly pre: boolean;
  /** Also send traffic (category `probe`). */
  readonly probe: boolean;
  readonly output: string;
  /** Only these categories. */
  readonly only: readonly string[];
  /** Try again until nothing fails, so long. */
  readonly waitMs: number;
}

/** Throws ERR_CLI_INVALID for a category that there is not: nothing would be looked at, and that would look like success. */
function requireCategories(only: readonly string[]): void {
  const unknown = only.filter((category) => !Object.hasOwn(checkTopics, category));
  if (unknown.length > 0)
    throw new CliError('ERR_CLI_INVALID', `no check is called ${unknown.join(', ')}`, {
      hint: `one of ${Object.keys(checkTopics).join(', ')}`,
    });
}

/** What one may not see is a finding; the other checks go on. */
function notAllowed(error: unknown): readonly Finding[] {
  if (codeOf(error) !== 'ERR_KUBE_FORBIDDEN') throw error;
  return [
    {
      category: 'rbac',
      state: 'failed',
      text: `may not look: ${messageOf(error)}`,
      hint: 'a role that may read this, or name the categories to check',
    },
  ];
}

async function findingsOf(api: OpenedCluster, options: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const checks = options.pre
    ? preChecks
    : options.only.length > 0
      ? [...clusterChecks, leftovers, ...meshChecks]
      : [...clusterChecks, ...meshChecks];
  for (const check of checks) findings.push(...(await check(api).catch(notAllowed)));
  if (options.probe || options.only.includes('probe')) {
    const { probeChecks } = await import('./probe.ts');
    findings.push(...(await probeChecks(api)));
  }
  return options.only.length === 0 ? findings : findings.filter(({ category }) => options.only.includes(category));
}

const hasFailed = (findings: readonly Finding[]): boolean => findings.some((finding) => finding.state === 'failed');

/** Runs the checks and prints them. Returns the exit status. */
export async function runChecks(api: OpenedCluster, options: CheckOptions): Promise<0 | 3> {
  requireCategories(options.only);
  const deadline = Date.now() + options.waitMs;
  let findings = await findingsOf(api, options);
  while (hasFailed(findings) && Date.now() < deadline) {
    await delay(1000);
    findings = await findingsOf(api, options);
  }
  if (options.output === 'junit') process.stdout.write(`${junitOf(findings)}\n`);
  else if (!(await printDocument(documentOf('CheckReport', { findings }), options.output)))
    process.stdout.write(`${renderFindings(findings)}\n`);
  return hasFailed(findings) ? 3 : 0;
}
