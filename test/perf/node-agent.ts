// Suite `node-agent`: a node with 250 pods and a real node agent. In: nothing. Out: how long an enrolment takes, how long the CNI plugin's
// single executable takes from its start to its answer, what the agent costs when nothing happens. Called by main.ts. Root only.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AgentProcess, eventually } from '../fixtures/agent-process.ts';
import { type AgentNode, createAgentNode } from '../fixtures/node-agent.ts';
import { benchReport, type BenchFigure, type BenchReport, median, percentile } from './report.ts';

/** How much is measured. */
interface Size {
  readonly pods: number;
  /** Of them, enrolled one after the other; the others come at once. */
  readonly single: number;
  /** Calls of the plugin per command. */
  readonly calls: number;
  /** Of each of two measurements: right after the enrolments, and later. */
  readonly idleSeconds: number;
}

const full: Size = { pods: 250, single: 40, calls: 30, idleSeconds: 125 };
const TICKS_PER_SECOND = 100;
const BUILD = fileURLToPath(new URL('../../daemonset/node-agent/src/install/build-plugin.ts', import.meta.url));

const figuresOf = (quantity: string, path: string, rounds: readonly number[]): readonly BenchFigure[] => {
  const one = (name: string, value: number): BenchFigure => ({
    quantity: `${quantity} ${name}`,
    unit: 'ms',
    path,
    median: value,
    rounds,
    ratio: undefined,
  });
  return [one('p50', median(rounds)), one('p99', percentile(rounds, 0.99)), one('least', Math.min(...rounds))];
};

const timed = async (work: () => Promise<unknown>): Promise<number> => {
  const startedMs = performance.now();
  await work();
  return performance.now() - startedMs;
};

/** Processor time of a process and of its children that have ended, so far, in seconds: fields 14 to 17 of its stat. */
function cpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) / TICKS_PER_SECOND, 0);
}

async function enrolment(
  node: AgentNode,
  agent: AgentProcess,
  { pods, single: count }: Size,
): Promise<readonly BenchFigure[]> {
  const cpu = cpuSecondsOf(agent.pid);
  const single: number[] = [];
  for (let index = 0; index < count; index += 1)
    single.push(
      await timed(async () => {
        node.label(`p${index}`, 'ambient');
        await node.until(`p${index}`, 'enabled');
      }),
    );
  process.stderr.write(`${count} pods enrolled one by one\n`);
  const startedMs = performance.now();
  node.cluster.put({ kind: 'Namespace', metadata: { name: 'shop', labels: { 'istio.io/dataplane-mode': 'ambient' } } });
  const rest: number[] = [];
  const open = new Set(Array.from({ length: pods - count }, (_, index) => `p${index + count}`));
  await eventually(
    () => {
      for (const name of open)
        if (node.state(name) === 'enabled') {
          open.delete(name);
          rest.push(performance.now() - startedMs);
        }
      return open.size === 0;
    },
    () => `${open.size} pods are not enrolled\n${agent.lines.slice(-5).join('\n')}`,
    300_000,
  );
  process.stderr.write(`${rest.length} pods enrolled at once\n`);
  const cpuMs = ((cpuSecondsOf(agent.pid) - cpu) * 1000) / pods;
  return [
    ...figuresOf('enrolment', 'one by one', single),
    ...figuresOf('enrolment', `${rest.length} at once`, rest),
    { quantity: 'enrolment cpu', unit: 'ms', path: 'per pod', median: cpuMs, rounds: [cpuMs], ratio: undefined },
  ];
}

async function plugin(node: AgentNode, { calls: times }: Size): Promise<readonly BenchFigure[]> {
  const pod = node.sandbox('new', '10.202.0.251');
  node.label('new', 'ambient');
  const calls = async (command: string): Promise<readonly number[]> => {
    const rounds: number[] = [];
    for (let index = 0; index < times; index += 1)
      rounds.push(
        await timed(async () => {
          const { status, stdout } = await node.cni(command, pod);
          if (status !== 0) throw new Error(`${command} failed: ${stdout}`);
        }),
      );
    return rounds;
  };
  return [
    ...figuresOf('plugin', 'ADD', await calls('ADD')),
    ...figuresOf('plugin', 'DEL', await calls('DEL')),
    ...figuresOf('plugin', 'VERSION', await calls('VERSION')),
  ];
}

/** Runs the suite. */
export async function runNodeAgent(size: Size = full): Promise<BenchReport> {
  const { pods, idleSeconds } = size;
  const startedMs = performance.now();
  const scratch = mkdtempSync(join(tmpdir(), 'ambit-bench-'));
  try {
    const executable = join(scratch, 'istio-cni');
    execFileSync(process.execPath, ['--conditions=@ambit/source', BUILD, executable]);
    await using node = await createAgentNode(executable);
    writeFileSync(
      join(node.cniFolder, '10-net.conflist'),
      '{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}',
    );
    for (let index = 0; index < pods; index += 1) node.pod(`p${index}`, `10.202.0.${index + 1}`);
    process.stderr.write(`${pods} pods are there\n`);
    const agent = await node.start({ NATIVE_NFTABLES: 'true', AMBIENT_DNS_CAPTURE: 'true', AMBIENT_IPV6: 'true' });
    using _proxy = await node.proxy();
    const figures = [...(await enrolment(node, agent, size)), ...(await plugin(node, size))];
    for (const rounds of ['first rounds', 'later rounds']) {
      const before = cpuSecondsOf(agent.pid);
      await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
      const used = ((cpuSecondsOf(agent.pid) - before) / idleSeconds) * 100;
      figures.push({
        quantity: 'idle',
        unit: '% of cpu',
        path: `${pods} pods, ${rounds}`,
        median: used,
        rounds: [used],
        ratio: undefined,
      });
    }
    return benchReport(startedMs, {
      suite: 'node-agent',
      reference: 'none',
      figures,
      notRun: [],
      notes: [
        'enrolment: from the label to the annotation, through the API of the test; a proxy of the test acknowledges at once',
        'enrolment cpu: processor time of the agent and of the programs that it starts, the same whatever else the machine does',
        'plugin: the single executable, from its start to its end; ADD with the decision of the agent and the enrolment of the pod',
        'idle: processor time of the agent and of the programs that it starts, over the first two rounds of the drift check, and over the next two',
      ],
    });
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
