// In: nodes and how many at once. Out: the steps of a rollout, and whether it may go on. Pure. Called by agents.ts.
import { CliError } from '../errors.ts';

/** Splits nodes into batches; `size` is a number or a percentage of all. Throws ERR_CLI_INVALID. */
export function batchesOf(nodes: readonly string[], size: string): readonly (readonly string[])[] {
  const isShare = size.endsWith('%');
  const amount = Number(isShare ? size.slice(0, -1) : size);
  if (!Number.isFinite(amount) || amount <= 0 || (isShare && amount > 100))
    throw new CliError('ERR_CLI_INVALID', `"${size}" is no size of a batch`, {
      hint: 'a number of nodes, or a percentage such as 10%',
    });
  const step = Math.max(1, isShare ? Math.floor((nodes.length * amount) / 100) : Math.floor(amount));
  return Array.from({ length: Math.ceil(nodes.length / step) }, (_, index) =>
    nodes.slice(index * step, (index + 1) * step),
  );
}

/** Failed and opened connections over some time. */
export interface ConnectionCounts {
  readonly failed: number;
  readonly opened: number;
}

/** Sums of the counters in the metrics text of one node proxy, source side only, so that nothing counts twice. */
export function connectionCounts(metrics: string): ConnectionCounts {
  let failed = 0;
  let opened = 0;
  for (const line of metrics.split('\n')) {
    if (!line.includes('reporter="source"')) continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (!Number.isFinite(value)) continue;
    if (line.startsWith('istio_tcp_connections_failed_total{')) failed += value;
    else if (line.startsWith('istio_tcp_connections_opened_total{')) opened += value;
  }
  return { failed, opened };
}

/** Fewer failures than this say nothing. */
const noise = 3;

/** Why a rollout has to pause: failures per opened connection rose to more than twice what they were. Undefined = go on. */
export function regressionOf(before: ConnectionCounts, since: ConnectionCounts): string | undefined {
  if (since.failed <= noise) return undefined;
  const rate = (counts: ConnectionCounts): number => counts.failed / Math.max(1, counts.opened + counts.failed);
  if (rate(since) <= 2 * rate(before)) return undefined;
  return `${since.failed} connections failed of ${since.opened + since.failed} (before: ${before.failed} of ${before.opened + before.failed})`;
}
