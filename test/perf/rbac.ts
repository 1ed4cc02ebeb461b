// Suite `rbac`: 10,000 policies of 10 rules each in one store; how long one decision takes. In: nothing. Out: figures.
// Called by main.ts. Two destinations: one that 10 of the policies apply to, one that all of them apply to.
import { authorizeL4, createStateStore, type Policy, type Workload } from '@ambit/state';
import { testWorkload } from '@ambit/state/testing';
import { benchReport, type BenchFigure, type BenchReport, median } from './report.ts';

const POLICIES = 10_000;
const RULES = 10;
const ROUNDS = 5;
const NARROW_POLICIES = 10;

/** Denies 10 identities that never connect: no rule may be forgotten before the answer is "allowed". */
function policyOf(index: number): Policy {
  const namespace = index < NARROW_POLICIES ? 'narrow' : 'wide';
  const rules = Array.from({ length: RULES }, (_, rule) => [
    [{ principals: [{ kind: 'exact' as const, value: `cluster.local/ns/n${index}/sa/s${rule}` }] }],
  ]);
  return { name: `p${index}`, namespace, scope: 'NAMESPACE', action: 'DENY', dryRun: false, rules };
}

function microsecondsPerDecision(decide: () => unknown, times: number): number {
  const startedMs = performance.now();
  for (let count = 0; count < times; count += 1) decide();
  return ((performance.now() - startedMs) * 1000) / times;
}

/** Runs the suite. */
export async function runRbac(): Promise<BenchReport> {
  const startedMs = performance.now();
  const store = createStateStore();
  store.apply({ policies: Array.from({ length: POLICIES }, (_, index) => policyOf(index)) });
  const snapshot = store.snapshot();
  const figures: BenchFigure[] = [];
  for (const [path, namespace, times] of [
    [`${NARROW_POLICIES} apply`, 'narrow', 5_000],
    [`${POLICIES - NARROW_POLICIES} apply`, 'wide', 5_000],
  ] as const) {
    const destination: Workload = testWorkload('server', { namespace });
    const facts = {
      destination,
      sourceIp: '10.1.0.1',
      sourceIdentity: 'spiffe://cluster.local/ns/shop/sa/web',
      destinationIp: '10.1.0.2',
      destinationPort: 80,
    };
    const decide = (): unknown => authorizeL4(snapshot, facts);
    const first = microsecondsPerDecision(decide, 1);
    const rounds = Array.from({ length: ROUNDS }, () => microsecondsPerDecision(decide, times));
    figures.push({ quantity: 'decision', unit: 'us', path, median: median(rounds), rounds, ratio: undefined });
    figures.push({ quantity: 'first decision', unit: 'us', path, median: first, rounds: [first], ratio: undefined });
  }
  return benchReport(startedMs, {
    suite: 'rbac',
    reference: 'none',
    figures,
    notRun: [],
    notes: [`${POLICIES} policies of ${RULES} rules are held; the first decision indexes those that apply`],
  });
}
