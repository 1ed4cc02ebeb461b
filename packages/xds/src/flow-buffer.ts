// What ended on one data thread while somebody watches. In: flows, and how many a second are wanted. Out: batches for the main thread.
// Called by the data threads of node proxy and waypoint; knows no gRPC, so that a data thread does not load it. Pure.

/** One end of a flow; what is not known is absent. */
export interface FlowEnd {
  readonly address: string;
  readonly workload?: string | undefined;
  readonly namespace?: string | undefined;
  readonly identity?: string | undefined;
  readonly cluster?: string | undefined;
}

/** A connection or request that ended. Plain data: it crosses threads. No header value and no body is ever in it. */
export interface Flow {
  /** Trace id of the request, where there is one. */
  readonly id?: string | undefined;
  /** Trace id of the CONNECT: the same at both ends of a tunnel, and for every request that came by it. */
  readonly connectionId?: string | undefined;
  /** `ip:port` that was asked of the tunnel. */
  readonly authority?: string | undefined;
  readonly endedUnixMs: number;
  readonly durationMs: number;
  readonly direction: 'inbound' | 'outbound' | 'waypoint';
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  /** Host name of the service that was addressed. */
  readonly service?: string | undefined;
  readonly serviceNamespace?: string | undefined;
  readonly mutualTls: boolean;
  /** By the source. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Why it failed; absent when it did not. */
  readonly error?: string | undefined;
  readonly responseFlags?: string | undefined;
  readonly http?: {
    readonly method: string;
    /** Without query. */
    readonly path: string;
    readonly authority: string;
    readonly status: number;
    readonly route?: string | undefined;
  };
}

/** Flows of one period, and how many were left out. */
export interface FlowBatch {
  readonly flows: readonly Flow[];
  readonly dropped: number;
}

/** Collects flows while somebody wants them; costs one look at `isWanted` per flow otherwise. */
export interface FlowBuffer {
  readonly isWanted: boolean;
  /** Flows a second from now on; 0 = nobody wants them, and what is held is thrown away. */
  setLimit(maxPerSecond: number): void;
  /** Takes a flow, or counts it as dropped. `make` is called only for one that is kept. */
  add(make: () => Flow): void;
  /** What came since the last call; undefined when nothing did. */
  take(): FlowBatch | undefined;
}

/** Makes a buffer. The limit holds per second; `nowMs` is monotonic. Nothing grows beyond one period's flows. */
export function createFlowBuffer(nowMs: () => number = () => performance.now()): FlowBuffer {
  let limit = 0;
  let second = -1;
  let inSecond = 0;
  let flows: Flow[] = [];
  let dropped = 0;
  return {
    get isWanted() {
      return limit > 0;
    },
    setLimit(maxPerSecond) {
      limit = maxPerSecond;
      if (limit === 0) [flows, dropped] = [[], 0];
    },
    add(make) {
      if (limit === 0) return;
      const now = Math.floor(nowMs() / 1000);
      if (now !== second) [second, inSecond] = [now, 0];
      // A main thread that does not come to take them must not make this grow either.
      if (inSecond >= limit || flows.length >= limit) {
        dropped += 1;
        return;
      }
      inSecond += 1;
      flows.push(make());
    },
    take() {
      if (flows.length === 0 && dropped === 0) return undefined;
      const batch = { flows, dropped };
      [flows, dropped] = [[], 0];
      return batch;
    },
  };
}

/** A path without its query, which may hold what must not be shown. */
export function pathWithoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query < 0 ? path : path.slice(0, query);
}
