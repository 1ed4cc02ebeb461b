// `ambit trace`. In: a source and a destination. Out: each connection and request between them as it ends, hop by hop: who reported it, both
// identities, verdict, duration, and what the policies say. Flows come through the control plane. Called by command.ts.
import { findServiceByVip } from '@ambit/state';
import { setTimeout as delay } from 'node:timers/promises';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { destinationOf, isCaptured, podsOf, workloadOf } from '../explain/connection-ends.ts';
import { decide, type ConnectionQuestion, type Verdict } from '../explain/decide.ts';
import { loadWorld } from '../explain/load-world.ts';
import { exitStatus } from '../output/exit-status.ts';
import type { Flow } from '../traffic/access-line.ts';
import { followControlPlane } from '../traffic/control-plane-flows.ts';
import { hostOf } from '../traffic/flow-address.ts';
import { isDenied } from '../traffic/verdict-of-flow.ts';
import { type Trace, TraceAssembler } from './assemble.ts';
import { hopsOf, traceDocument, traceText } from './print.ts';

/** Options of the command. */
export interface TraceOptions {
  readonly output: 'text' | 'jsonl';
  /** End after so many; 0 = never. */
  readonly count: number;
  /** Only this connection id or trace id. */
  readonly id?: string;
  /** Flows with an end in this namespace; '' = all. */
  readonly namespace: string;
}

/** Flows that one proxy may send each second. */
const MAX_FLOWS = 1000;
const LOOK_MS = 250;

const isNamed = ({ main }: Trace, id: string | undefined): boolean =>
  id === undefined || main.connection === id || main.trace === id;

/** Shows traces until `signal`, or until there are enough. Returns the exit status: 3 when something was denied, 4 when nothing was seen. */
export async function trace(
  api: OpenedCluster,
  source: string,
  destination: string,
  options: TraceOptions,
  signal: AbortSignal,
): Promise<number> {
  const world = await loadWorld(api);
  const pods = await podsOf(api, source);
  const target = await destinationOf(api, world.snapshot, destination, world.options.domain);
  const workloads = pods.map((pod) => workloadOf(world.snapshot, pod));
  const service = findServiceByVip(world.snapshot, workloads[0]?.network ?? '', target.ip, undefined);
  const assembler = new TraceAssembler({
    sourceIps: new Set(workloads.flatMap(({ ips }) => ips)),
    sources: new Set(workloads.map(({ namespace, workloadName }) => `${namespace}/${workloadName}`)),
    service: service?.hostname,
    destinationIp: target.ip,
  });
  const verdictOf = ({ main }: Trace): Verdict | undefined => {
    const ip = hostOf(main.sourceAddress);
    const index = Math.max(
      0,
      workloads.findIndex(({ ips }) => ips.includes(ip)),
    );
    const [workload, pod] = [workloads[index], pods[index]];
    if (workload === undefined || pod === undefined) return undefined;
    const { method, path } = main;
    const host = `${target.host}:${target.port}`;
    const question: ConnectionQuestion = { source: workload, isCaptured: isCaptured(pod), destination: target };
    return decide(
      world,
      main.direction === 'waypoint' ? { ...question, request: { method, path, host, headers: [] } } : question,
    );
  };
  const named = pods.map((pod) => `${namespaceOf(pod)}/${nameOf(pod)}`).join(', ');
  process.stderr.write(`from ${named} to ${service?.hostname ?? target.host}: each shows when it has ended\n`);

  const stop = new AbortController();
  const ending = AbortSignal.any([signal, stop.signal]);
  let [lost, shown, denied] = [0, 0, 0];
  const receiver = {
    onFlow: (flow: Flow) => assembler.add(flow, performance.now()),
    onLost: (count: number) => void (lost += count),
  };
  const show = (one: Trace): void => {
    if (!isNamed(one, options.id) || (options.count > 0 && shown >= options.count)) return;
    shown += 1;
    const hops = hopsOf(one, verdictOf(one));
    if (isDenied(one.main) || hops.some(({ verdict }) => verdict === 'DENIED')) denied += 1;
    process.stdout.write(
      `${options.output === 'jsonl' ? JSON.stringify(traceDocument(one, hops)) : traceText(one, hops)}\n`,
    );
  };
  const watching = followControlPlane(api, { namespace: options.namespace, maxPerSecond: MAX_FLOWS }, receiver, ending)
    .then((reason) => {
      if (reason === true || ending.aborted) return;
      throw new CliError('ERR_CLI_REFUSED', 'flows cannot be watched through the control plane', {
        cause: new Error(reason),
        hint: 'ambit explain SOURCE DESTINATION, or ambit logs WORKLOAD',
      });
    })
    .finally(() => stop.abort());
  const drawing = (async () => {
    while (!ending.aborted) {
      await delay(LOOK_MS, undefined, { signal: ending }).catch(() => undefined);
      for (const one of assembler.take(performance.now())) show(one);
      if (options.count > 0 && shown >= options.count) stop.abort();
    }
  })();
  await Promise.all([watching, drawing]);
  for (const one of assembler.take(Number.POSITIVE_INFINITY)) show(one);
  if (lost > 0) process.stderr.write(`${lost} flows were lost on the way: more happened than is sent\n`);
  if (shown > 0) return denied > 0 ? exitStatus.no : exitStatus.done;
  process.stderr.write('nothing ended between them\ntry: ambit explain, which says what would happen\n');
  return exitStatus.undecided;
}
