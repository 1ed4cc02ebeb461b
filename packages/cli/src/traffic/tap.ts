// `ambit tap`. In: filters. Out: one line for each connection and request that ends, while it happens. Node proxies and waypoints report
// to the control plane while somebody watches; Kubernetes permissions say who may. Where that is not possible, or with --logs, the access
// logs are followed, which needs get on pods/log. Header values and queries are never shown. Called by command.ts.
import type { OpenedCluster } from '../cluster/open.ts';
import { rowPrinter } from '../output/row-printer.ts';
import { type Flow, flowOf } from './access-line.ts';
import { followControlPlane } from './control-plane-flows.ts';
import { noProxies, proxyPods } from './read-traffic.ts';
import { isDenied, verdictOfFlow } from './verdict-of-flow.ts';

/** Which flows are shown. All that are given have to hold. */
export interface TapFilter {
  /** Part of the source's name. */
  readonly from?: string;
  /** Part of the destination's or the service's name. */
  readonly to?: string;
  readonly denied?: boolean;
  readonly error?: boolean;
  readonly l4?: boolean;
  readonly l7?: boolean;
  readonly method?: string;
  /** Beginning of the path. */
  readonly path?: string;
  /** A status, or a class such as `5xx`. */
  readonly status?: string;
}

const hasStatus = (flow: Flow, wanted: string): boolean =>
  wanted.toLowerCase().endsWith('xx') ? String(flow.status)[0] === wanted[0] : String(flow.status) === wanted;

/** Whether a flow is one of those that were asked for. Pure. */
export function isWanted(flow: Flow, filter: TapFilter): boolean {
  const isRequest = flow.direction === 'waypoint';
  return (
    (filter.from === undefined || flow.source.includes(filter.from)) &&
    (filter.to === undefined || flow.destination.includes(filter.to) || flow.service.includes(filter.to)) &&
    (filter.denied !== true || isDenied(flow)) &&
    (filter.error !== true || flow.error !== '') &&
    (filter.l4 !== true || !isRequest) &&
    (filter.l7 !== true || isRequest) &&
    (filter.method === undefined || flow.method === filter.method.toUpperCase()) &&
    (filter.path === undefined || flow.path.startsWith(filter.path)) &&
    (filter.status === undefined || hasStatus(flow, filter.status))
  );
}

const header = [
  'TIME',
  'DIR',
  'SOURCE',
  'DESTINATION',
  'SERVICE',
  'MTLS',
  'VERDICT',
  'BYTES',
  'DUR',
  'METHOD',
  'PATH',
  'STATUS',
];
/** Widths to begin with; a longer cell makes its column wider for the rest. */
const firstWidths = [12, 8, 28, 28, 24, 4, 8, 7, 6, 6, 20, 6];

const directions = { inbound: 'in', outbound: 'out', waypoint: 'waypoint' } as const;

/** `reviews.shop` of `reviews.shop.svc.cluster.local`; other hosts as they are. */
function shortService(host: string): string {
  const end = host.indexOf('.svc.');
  return end < 0 ? host : host.slice(0, end);
}

/** Cells of one flow. Pure. */
export function cellsOf(flow: Flow): readonly string[] {
  return [
    flow.time.slice(11, 23),
    directions[flow.direction],
    flow.source,
    flow.destination,
    shortService(flow.service),
    flow.isMutualTls ? 'yes' : 'no',
    verdictOfFlow(flow),
    String(flow.bytes),
    `${flow.durationMs}ms`,
    flow.method,
    flow.path,
    flow.status === 0 ? '' : String(flow.status),
  ];
}

/** Options of the command. */
export interface TapOptions extends TapFilter {
  readonly output: 'table' | 'jsonl';
  /** At most so many lines a second; what is over is counted and said. */
  readonly maxPerSecond: number;
  /** Only flows with an end in this namespace; '' = all. From logs: all. */
  readonly namespace: string;
  /** Read access logs instead of asking the control plane. */
  readonly logs: boolean;
}

/** A gate that lets so many through each second. */
export function rateGate(maxPerSecond: number, nowMs: () => number): { pass(): boolean; readonly held: number } {
  let second = -1;
  let passed = 0;
  let held = 0;
  return {
    pass() {
      const now = Math.floor(nowMs() / 1000);
      if (now !== second) [second, passed] = [now, 0];
      passed += 1;
      if (passed <= maxPerSecond) return true;
      held += 1;
      return false;
    },
    get held() {
      return held;
    },
  };
}

/** Follows the access logs of all proxies until `signal`. Throws what the API server says when none may be read. Returns how many could not. */
async function followLogs(
  api: OpenedCluster,
  onFlow: (flow: Flow) => void,
  signal: AbortSignal,
): Promise<{ readonly proxies: number; readonly unread: number }> {
  const pods = await proxyPods(api);
  if (pods.length === 0) throw noProxies();
  const follow = async (pod: (typeof pods)[number]): Promise<void> => {
    for await (const line of api.followLog(pod, signal)) {
      const flow = flowOf(line);
      if (flow !== undefined) onFlow(flow);
    }
  };
  const ends = await Promise.allSettled(pods.map(follow));
  const failures = ends.filter((end) => end.status === 'rejected' && !signal.aborted);
  const [first] = failures;
  if (first?.status === 'rejected' && failures.length === pods.length) throw first.reason;
  return { proxies: pods.length, unread: failures.length };
}

/** Shows flows until `signal`, through the control plane where that is possible, else from the logs of the proxies. */
export async function tap(api: OpenedCluster, options: TapOptions, signal: AbortSignal): Promise<void> {
  const row = rowPrinter(firstWidths);
  const gate = rateGate(options.maxPerSecond, () => performance.now());
  let shown = 0;
  let lost = 0;
  if (options.output === 'table') process.stdout.write(`${row(header)}\n`);
  const onFlow = (flow: Flow): void => {
    if (!isWanted(flow, options) || !gate.pass()) return;
    shown += 1;
    process.stdout.write(`${options.output === 'jsonl' ? JSON.stringify(flow) : row(cellsOf(flow))}\n`);
  };
  let notes = '';
  const wish = { namespace: options.namespace, maxPerSecond: options.maxPerSecond };
  const watched = options.logs
    ? false
    : await followControlPlane(api, wish, { onFlow, onLost: (count) => (lost += count) }, signal);
  if (watched !== true && !signal.aborted) {
    if (typeof watched === 'string')
      process.stderr.write(`flows cannot be watched through the control plane: reading access logs\nwhy: ${watched}\n`);
    const { proxies, unread } = await followLogs(api, onFlow, signal);
    if (unread > 0) notes = `, ${unread} of ${proxies} proxies could not be read`;
  }
  if (gate.held > 0) notes += `, ${gate.held} more were left out (--max-rps ${options.maxPerSecond})`;
  if (lost > 0) notes += `, ${lost} were lost on the way: more happened than is sent`;
  process.stderr.write(`${shown} shown${notes}\n`);
}
