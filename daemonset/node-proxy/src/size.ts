/**
 * Thread and processor settings in, number of data threads out. Pure; called by `config.ts` at start.
 *
 * Syntax and precedence: spec/node-proxy.md 1.5; the default without any setting is min(cores, 2) (decisions 5).
 */

/** What may decide the number of threads. Texts as in the environment. */
export interface SizeInputs {
  readonly workerThreads: string | undefined;
  readonly cpuLimit: string | undefined;
  readonly resourceCpuLimit: string | undefined;
  readonly resourceCpuRequest: string | undefined;
  /** ProxyConfig `concurrency`. */
  readonly concurrency: number | undefined;
  readonly cores: number;
}

/** Number of data threads, or the problem as text. */
export function dataThreads(inputs: SizeInputs): number | string {
  const limit = quantity('ZTUNNEL_RESOURCE_CPU_LIMIT', inputs.resourceCpuLimit);
  const request = quantity('ZTUNNEL_RESOURCE_CPU_REQUEST', inputs.resourceCpuRequest);
  const cpuLimit = quantity('ZTUNNEL_CPU_LIMIT', inputs.cpuLimit);
  for (const value of [limit, request, cpuLimit]) if (typeof value === 'string') return value;
  const cpus = numberOr(limit, numberOr(cpuLimit, inputs.cores));
  const asked = inputs.workerThreads;
  if (asked !== undefined && asked !== '') return explicit(asked, cpus);
  if (inputs.concurrency !== undefined) return Math.max(1, inputs.concurrency === 0 ? cpus : inputs.concurrency);
  if (typeof limit === 'number') return Math.max(1, limit, numberOr(request, 0));
  return Math.max(1, Math.min(inputs.cores, 2), numberOr(request, 0));
}

function explicit(asked: string, cpus: number): number | string {
  const percent = asked.endsWith('%');
  const value = Number(percent ? asked.slice(0, -1) : asked);
  if (!Number.isInteger(value) || value < 0)
    return `ZTUNNEL_WORKER_THREADS "${asked.slice(0, 20)}" is neither a number nor NN%`;
  if (!percent) return Math.max(1, value === 0 ? cpus : value);
  if (value === 0 || value > 100) return `ZTUNNEL_WORKER_THREADS ${value}% is not from 1 to 100 %`;
  return Math.max(1, Math.ceil((cpus * value) / 100));
}

/** A Kubernetes processor quantity, rounded up; text with the variable's name when it is none. */
function quantity(variable: string, text: string | undefined): number | string | undefined {
  if (text === undefined || text === '') return undefined;
  const milli = text.endsWith('m');
  const value = Number(milli ? text.slice(0, -1) : text);
  if (!Number.isFinite(value) || value < 0) return `${variable} "${text.slice(0, 20)}" is not a processor quantity`;
  return Math.ceil(milli ? value / 1000 : value);
}

function numberOr(value: number | string | undefined, fallback: number): number {
  return typeof value === 'number' && value > 0 ? value : fallback;
}
