/**
 * What this thread does and what it holds, sampled by V8. In: what to sample and for how long. Out: stacks with their counts, plain data.
 *
 * Called on the main thread by `admin/pprof/routes.ts` and on each data thread by `data-thread.ts`. Nothing is loaded or sampled until
 * somebody asks.
 */
import type { Profiler, HeapProfiler, Runtime } from 'node:inspector';
import type { Session } from 'node:inspector/promises';

/** What can be asked of a thread. */
export type ProfileRequest =
  /** The processor for so long, at most 1000 samples a second. */
  | { readonly what: 'cpu'; readonly seconds: number; readonly hertz: number }
  /** Samples of allocations from now on, or no longer. */
  | { readonly what: 'heap-sampling'; readonly active: boolean }
  /** What is alive of the sampled allocations. */
  | { readonly what: 'heap' };

/** Samples of one thread. Structured-clone-able. */
export interface ThreadProfile {
  readonly thread: string;
  readonly frames: readonly ProfileFrame[];
  /** Stacks from the leaf to the root, as numbers of frames; with samples and nanoseconds each, or bytes. */
  readonly samples: readonly { readonly stack: readonly number[]; readonly values: readonly number[] }[];
}

/** A function. */
export interface ProfileFrame {
  readonly name: string;
  readonly file: string;
  readonly line: number;
}

/** The profiler of one thread. One request at a time; a second CPU profile meanwhile is refused. */
export interface ThreadProfiler {
  /** Rejects when V8 refuses, or when nothing was sampled yet. */
  run(request: ProfileRequest): Promise<ThreadProfile>;
}

/** Mean distance of two sampled allocations. */
const HEAP_INTERVAL_BYTES = 512 * 1024;

/** Makes the profiler of this thread. */
export function createThreadProfiler(thread: string): ThreadProfiler {
  let heap: Session | undefined;
  let isBusy = false;
  const nothing: ThreadProfile = { thread, frames: [], samples: [] };

  async function cpu(seconds: number, hertz: number): Promise<ThreadProfile> {
    if (isBusy) throw new Error('a profile is being taken already');
    isBusy = true;
    const session = await openSession();
    try {
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: Math.round(1e6 / hertz) });
      await session.post('Profiler.start');
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      const { profile } = await session.post('Profiler.stop');
      return { thread, ...ofCpu(profile) };
    } finally {
      isBusy = false;
      session.disconnect();
    }
  }

  async function sampleHeap(active: boolean): Promise<ThreadProfile> {
    if (active && heap === undefined) {
      heap = await openSession();
      await heap.post('HeapProfiler.startSampling', { samplingInterval: HEAP_INTERVAL_BYTES });
    }
    if (!active) {
      heap?.disconnect();
      heap = undefined;
    }
    return nothing;
  }

  return {
    async run(request) {
      switch (request.what) {
        case 'cpu':
          return cpu(request.seconds, request.hertz);
        case 'heap-sampling':
          return sampleHeap(request.active);
        case 'heap': {
          if (heap === undefined) throw new Error('heap profiling is not active');
          const { profile } = await heap.post('HeapProfiler.getSamplingProfile');
          return { thread, ...ofHeap(profile) };
        }
        default:
          return request satisfies never;
      }
    },
  };
}

async function openSession(): Promise<Session> {
  const { Session } = await import('node:inspector/promises');
  const session = new Session();
  session.connect();
  return session;
}

/** Frames without repetition. */
class Frames {
  readonly all: ProfileFrame[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf({ functionName, url, lineNumber }: Runtime.CallFrame): number {
    const key = `${functionName}\u0000${url}\u0000${lineNumber}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.all.length;
      this.#numbers.set(key, number);
      this.all.push({ name: functionName === '' ? '(anonymous)' : functionName, file: url, line: lineNumber + 1 });
    }
    return number;
  }
}

type Samples = Omit<ThreadProfile, 'thread'>;

/** A profile of the processor: time that the thread waited is left out. */
function ofCpu(profile: Profiler.Profile): Samples {
  const frames = new Frames();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map<number, number>();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const spent = new Map<number, [number, number]>();
  for (const [index, id] of (profile.samples ?? []).entries()) {
    const held = spent.get(id) ?? [0, 0];
    spent.set(id, [held[0] + 1, held[1] + Math.max(0, profile.timeDeltas?.[index] ?? 0) * 1000]);
  }
  const samples: ThreadProfile['samples'][number][] = [];
  for (const [id, values] of spent) {
    const stack: number[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = nodes.get(at);
      if (node !== undefined && node.callFrame.functionName !== '(root)') stack.push(frames.numberOf(node.callFrame));
    }
    if (nodes.get(id)?.callFrame.functionName !== '(idle)' && stack.length > 0) samples.push({ stack, values });
  }
  return { frames: frames.all, samples };
}

/** A profile of the heap. */
function ofHeap({ head }: HeapProfiler.SamplingHeapProfile): Samples {
  const frames = new Frames();
  const samples: ThreadProfile['samples'][number][] = [];
  const waiting: { readonly node: HeapProfiler.SamplingHeapProfileNode; readonly above: readonly number[] }[] = [
    { node: head, above: [] },
  ];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, above } = next;
    const stack = node === head ? above : [frames.numberOf(node.callFrame), ...above];
    if (node.selfSize > 0 && stack.length > 0) samples.push({ stack, values: [node.selfSize] });
    for (const child of node.children) waiting.push({ node: child, above: stack });
  }
  return { frames: frames.all, samples };
}
