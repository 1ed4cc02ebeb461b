// One trace as text and as JSON. In: hops, and what the policies say of such a request now. Out: lines. Pure. Called by trace.ts.
import type { Verdict } from '../explain/decide.ts';
import type { Flow } from '../traffic/access-line.ts';
import { verdictOfFlow } from '../traffic/verdict-of-flow.ts';
import type { Trace } from './assemble.ts';

/** One hop as it is shown. */
export interface Hop {
  readonly hop: 'node proxy, outbound' | 'waypoint' | 'node proxy, inbound';
  /** `pod.namespace`; empty where nothing was reported. */
  readonly by: string;
  readonly from: string;
  readonly to: string;
  readonly sourceIdentity: string;
  readonly destinationIdentity: string;
  readonly isMutualTls: boolean;
  /** `open`: it has not ended, or nobody has reported it. */
  readonly verdict: 'ok' | 'DENIED' | 'FAILED' | 'open';
  readonly reason: string;
  readonly durationMs: number;
  /** What the policies, as they were when the trace began, say of such a request. */
  readonly decided: readonly string[];
}

const hopNames = {
  outbound: 'node proxy, outbound',
  waypoint: 'waypoint',
  inbound: 'node proxy, inbound',
} as const satisfies Record<Flow['direction'], Hop['hop']>;

function hopOf(direction: Flow['direction'], flow: Flow | undefined, decided: readonly string[]): Hop {
  if (flow === undefined)
    return {
      hop: hopNames[direction],
      by: '',
      from: '',
      to: '',
      sourceIdentity: '',
      destinationIdentity: '',
      isMutualTls: false,
      verdict: 'open',
      reason: '',
      durationMs: 0,
      decided,
    };
  return {
    hop: hopNames[direction],
    by: flow.reporter,
    from: flow.source || flow.sourceAddress,
    to: flow.destination || flow.destinationAddress,
    sourceIdentity: flow.sourceIdentity,
    destinationIdentity: flow.destinationIdentity,
    isMutualTls: flow.isMutualTls,
    verdict: verdictOfFlow(flow),
    reason: flow.error,
    durationMs: flow.durationMs,
    decided,
  };
}

/** Steps of a verdict that one kind of hop decides. */
const decidedAt = (verdict: Verdict | undefined, names: readonly string[]): readonly string[] =>
  (verdict?.steps ?? []).filter(({ name }) => names.includes(name)).map(({ text }) => text);

/** What the policies say at the endpoint that it went to; at every endpoint where that is not known. */
function decidedAtEndpoint(verdict: Verdict | undefined, { outbound, waypoint, inbound }: Trace): readonly string[] {
  const all = decidedAt(verdict, ['L4']);
  const workload = (waypoint ?? inbound ?? outbound)?.destination ?? '';
  // A flow names the workload, a step its pod.
  const own = all.filter((text) => text.startsWith(`${workload}:`) || text.startsWith(`${workload}-`));
  return workload === '' || own.length === 0 ? all : own;
}

/** The hops of a trace. `verdict` is what `explain` says of it; undefined when nothing can be said. Pure. */
export function hopsOf(trace: Trace, verdict: Verdict | undefined): readonly Hop[] {
  const { outbound, waypoint, inbound } = trace;
  const isPlain = outbound !== undefined && !outbound.isMutualTls && inbound === undefined;
  return [
    hopOf('outbound', outbound, []),
    ...(waypoint === undefined ? [] : [hopOf('waypoint', waypoint, decidedAt(verdict, ['L7', 'route']))]),
    // Nothing of ours stands before a destination outside the mesh.
    ...(isPlain ? [] : [hopOf('inbound', inbound, decidedAtEndpoint(verdict, trace))]),
  ];
}

/** The first line: when, what, how it ended. Pure. */
function headline({ main }: Trace): string {
  const what = main.direction === 'waypoint' ? `${main.method} ${main.path}` : 'connection';
  const status = main.status === 0 ? verdictOfFlow(main) : `${main.status} ${verdictOfFlow(main)}`;
  return [
    `${main.time.slice(11, 23)}  ${what}  ${status}  ${main.durationMs}ms`,
    ...(main.connection === '' ? [] : [`connection ${main.connection}`]),
    ...(main.trace === '' ? [] : [`trace ${main.trace}`]),
  ].join('  ');
}

function hopLines(hop: Hop, index: number): readonly string[] {
  const by = hop.by === '' ? '' : ` ${hop.by}`;
  const name = `  ${index + 1} ${hop.hop}${by}`;
  const decided = hop.decided.map((text) => `      policy    ${text}`);
  if (hop.verdict === 'open') return [`${name}: not ended, or not reported`, ...decided];
  const identities =
    hop.sourceIdentity === '' && hop.destinationIdentity === ''
      ? []
      : [`      identity  ${hop.sourceIdentity || 'none'} -> ${hop.destinationIdentity || 'none'}`];
  const tls = hop.isMutualTls ? 'mTLS' : 'plaintext';
  return [
    `${name}: ${hop.from} -> ${hop.to}, ${tls}, ${hop.verdict}, ${hop.durationMs}ms`,
    ...identities,
    ...(hop.reason === '' ? [] : [`      reason    ${hop.reason}`]),
    ...decided,
  ];
}

/** A trace as text. Pure. */
export const traceText = (trace: Trace, hops: readonly Hop[]): string =>
  [headline(trace), ...hops.flatMap(hopLines)].join('\n');

/** A trace as one JSON document. Pure. */
export const traceDocument = ({ main }: Trace, hops: readonly Hop[]): object => ({
  apiVersion: 'cli.mesh/v1',
  kind: 'Trace',
  time: main.time,
  connection: main.connection,
  trace: main.trace,
  method: main.method,
  path: main.path,
  status: main.status,
  verdict: verdictOfFlow(main),
  durationMs: main.durationMs,
  hops,
});
