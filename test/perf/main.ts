// `bench <suite> [--json]`: runs one suite of measurements and prints it. In: argv. Out: a table or JSON on standard
// output, progress on standard error. Figures are never an assertion of `test` (decisions 7).
import { runAttacks } from './attacks/suite.ts';
import { runControlPlane } from './control-plane/suite.ts';
import { runCli } from './cli.ts';
import { runL4 } from './l4/suite.ts';
import { runL7 } from './l7/suite.ts';
import { runLocalCluster } from './local-cluster.ts';
import { runModel } from './model.ts';
import { runNodeAgent } from './node-agent.ts';
import { runNodeProxy } from './node-proxy.ts';
import { runRbac } from './rbac.ts';
import { type BenchReport, formatReport } from './report.ts';
import { runRolloutSuite } from './rollout.ts';
import { runSoak } from './soak/soak.ts';

const SUITES: Readonly<Record<string, () => Promise<BenchReport>>> = {
  attacks: runAttacks,
  'control-plane': runControlPlane,
  cli: runCli,
  l4: runL4,
  l7: runL7,
  'local-cluster': runLocalCluster,
  model: runModel,
  'node-agent': runNodeAgent,
  'node-proxy': runNodeProxy,
  rbac: runRbac,
  rollout: async () => runRolloutSuite(),
  soak: runSoak,
};

const [name, ...flags] = process.argv.slice(2);
const suite = name === undefined ? undefined : SUITES[name];
if (suite === undefined) {
  process.stderr.write(`usage: bench <suite> [--json]\nsuites: ${Object.keys(SUITES).join(', ')}\n`);
  process.exit(2);
}
const report = await suite();
process.stdout.write(flags.includes('--json') ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report));
