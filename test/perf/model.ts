// Suite `model`: 100,000 workloads in one model: what the translation costs, what one full answer costs, what is held per workload,
// and what one change costs. In: nothing. Out: figures. Called by main.ts.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Model, modelOptions, type ObjectChange } from '@ambit/model';
import { ADDRESS_TYPE_URL } from '@ambit/proto/type-urls';
import { testNamespace, testPod, testService } from '@ambit/resources/testing';
import { encodeResponse } from '@ambit/xds/server/encode-response';
import { benchReport, type BenchFigure, type BenchReport, median } from './report.ts';

const NAMESPACES = 100;
const PODS = 1_000;
const WORKLOADS = NAMESPACES * PODS;
const ROUNDS = 5;
const CHANGES = 2_000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heapBytes(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

function* changes(): Iterable<ObjectChange> {
  for (let n = 0; n < NAMESPACES; n++) {
    yield { type: 'upsert', object: testNamespace(`n${n}`) };
    yield { type: 'upsert', object: testService(`n${n}`, 'web', `10.96.${n}.1`, { app: 'web' }) };
    for (let p = 0; p < PODS; p++) yield { type: 'upsert', object: podOf(n, p, true) };
  }
}

function podOf(n: number, p: number, isReady: boolean) {
  const pod = testPod(`n${n}`, `web-${p}`, `10.${n}.${p >> 8}.${p & 255}`, {
    labels: { app: p % 4 === 0 ? 'web' : 'job' },
    annotations: { 'ambient.istio.io/redirection': 'enabled' },
  });
  return isReady ? pod : { ...pod, status: { ...pod.status, conditions: [] } };
}

/** One response with everything: what a new node proxy is sent. The first one frames each resource, later ones share the frames. */
function encodeAll(model: Model): number {
  const resources = [...model.addresses.all()];
  return encodeResponse({ typeUrl: ADDRESS_TYPE_URL, resources, removed: [], withAliases: false }, 'n', '').length;
}

/** Runs the suite. */
export async function runModel(): Promise<BenchReport> {
  const startedMs = performance.now();
  const timed = (work: () => void): number => {
    const from = performance.now();
    work();
    return performance.now() - from;
  };
  const empty = heapBytes();
  const objects = [...changes()];
  const raw = heapBytes();
  const model = new Model(modelOptions());
  const translateMs = timed(() => void model.apply(objects));
  const full = heapBytes();
  const firstEncodeMs = timed(() => void encodeAll(model));
  const encode = Array.from({ length: ROUNDS }, () => timed(() => void encodeAll(model)));
  const before = model.recomputed;
  const changeMs = timed(() => {
    for (let i = 0; i < CHANGES; i++) {
      model.apply([{ type: 'upsert', object: podOf(i % NAMESPACES, i % PODS, i % 2 === 0) }]);
    }
  });
  const figure = (quantity: string, unit: string, rounds: readonly number[]): BenchFigure => ({
    quantity,
    unit,
    path: 'model',
    median: median(rounds),
    rounds,
    ratio: undefined,
  });
  return benchReport(startedMs, {
    suite: 'model',
    reference: 'none',
    figures: [
      figure('first translation', 'ms', [translateMs]),
      figure('full answer, first', 'ms', [firstEncodeMs]),
      figure('full answer', 'ms', encode),
      figure('heap per workload', 'bytes', [(full - raw) / WORKLOADS]),
      figure('raw object', 'bytes', [(raw - empty) / WORKLOADS]),
      figure('pod change', 'us', [(changeMs * 1000) / CHANGES]),
      figure('units per pod change', 'units', [(model.recomputed - before) / CHANGES]),
    ],
    notRun: [],
    notes: [`${WORKLOADS} workloads, ${NAMESPACES} services; goals: encode 100 ms, heap 1,500 bytes (floor 4,096)`],
  });
}
