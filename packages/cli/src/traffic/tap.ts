// `ambit tap`. In: filters. Out: one line for each connection and request that ends, while it happens. It follows the access logs of node
// proxies and waypoints through the API server, so whoever may read these logs (get on pods/log) may tap, and nobody else. Header values
// are never shown, as no log holds them. Called by command.ts.
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { type Flow, flowOf } from './access-line.ts';
import { proxyPods } from './read-traffic.ts';

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

const isDenied = ({ error, status }: Flow): boolean => status === 403 || error.includes('policy rejection');

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

/** Cells of one flow. Pure. */
export function cellsOf(flow: Flow): readonly string[] {
  return [
    flow.time.slice(11, 23),
    directions[flow.direction],
    flow.source,
    flow.destination,
    flow.service,
    flow.isMutualTls ? 'yes' : 'no',
    isDenied(flow) ? 'DENIED' : flow.error === '' ? 'ok' : 'FAILED',
    String(flow.bytes),
    `${flow.durationMs}ms`,
    flow.method,
    flow.path,
    flow.status === 0 ? '' : String(flow.status),
  ];
}

/** Rows one at a time, aligned; columns only grow. */
function rowPrinter(): (cells: readonly string[]) => string {
  const widths = [...firstWidths];
  return (cells) => {
    for (const [index, cell] of cells.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length);
    return cells
      .map((cell, index) => (cell || '-').padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  };
}

/** Options of the command. */
export interface TapOptions extends TapFilter {
  readonly output: 'table' | 'jsonl';
  /** At most so many lines a second; what is over is counted and said. */
  readonly maxPerSecond: number;
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

/** Shows flows until `signal`. Throws ERR_CLI_NOT_FOUND without a proxy, and what the API server says when none may be read. */
export async function tap(api: OpenedCluster, options: TapOptions, signal: AbortSignal): Promise<void> {
  const pods = await proxyPods(api);
  if (pods.length === 0)
    throw new CliError('ERR_CLI_NOT_FOUND', 'no node proxy and no waypoint is there', { hint: 'ambit check' });
  const row = rowPrinter();
  const gate = rateGate(options.maxPerSecond, () => performance.now());
  let shown = 0;
  if (options.output === 'table') process.stdout.write(`${row(header)}\n`);
  const follow = async (pod: (typeof pods)[number]): Promise<void> => {
    for await (const line of api.followLog(pod, signal)) {
      const flow = flowOf(line);
      if (flow === undefined || !isWanted(flow, options) || !gate.pass()) continue;
      shown += 1;
      process.stdout.write(`${options.output === 'jsonl' ? JSON.stringify(flow) : row(cellsOf(flow))}\n`);
    }
  };
  const ends = await Promise.allSettled(pods.map(follow));
  const failures = ends.filter((end) => end.status === 'rejected' && !signal.aborted);
  const [first] = failures;
  if (first?.status === 'rejected' && failures.length === pods.length) throw first.reason;
  const left = gate.held === 0 ? '' : `, ${gate.held} more were left out (--max-rps ${options.maxPerSecond})`;
  const unread = failures.length === 0 ? '' : `, ${failures.length} of ${pods.length} proxies could not be read`;
  process.stderr.write(`${shown} shown${left}${unread}\n`);
}
