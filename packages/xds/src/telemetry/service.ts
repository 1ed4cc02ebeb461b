// `ambit.telemetry.v1` on a gRPC server. In: calls. Out: flows from proxies to watchers, through the hub.
// Called by: app.ts of the control plane, which says who may report and who may watch. Owns its calls from accept to end. Main thread.
import {
  type Server,
  type ServerDuplexStream,
  type ServerWritableStream,
  status as grpcStatus,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { create } from '@bufbuild/protobuf';
import { grpcService } from '@ambit/proto/grpc';
import {
  type ReportControl,
  ReportControlSchema,
  type ReportRequest,
  Telemetry,
  type WatchRequest,
  type WatchResponse,
  WatchResponseSchema,
} from '@ambit/proto/telemetry';
import { background } from '@ambit/runtime/background';
import { explain, messageOf } from '@ambit/runtime/errors';
import type { Logger } from '@ambit/runtime/log';
import { XdsError } from '../errors.ts';
import type { CallFacts } from '../server/server.ts';
import type { FlowHub } from './hub.ts';

/** Settings of {@link mountTelemetry}. */
export interface TelemetryServiceOptions {
  readonly hub: FlowHub;
  /** The namespace that a proxy may speak for, undefined = every one. Throws XdsError to refuse. */
  readonly admitReporter: (call: CallFacts) => Promise<{ readonly namespace: string | undefined }>;
  /** Whether the caller may watch flows of a namespace ('' = all). Throws XdsError to refuse. Asked again while it watches. */
  readonly admitWatcher: (call: CallFacts, namespace: string) => Promise<void>;
  readonly log: Logger;
  /** How often permission is asked for again, in milliseconds. Default 60 000. */
  readonly recheckMs?: number;
}

/** The mounted service. */
export interface TelemetryService {
  /** Ends every call. */
  close(): void;
}

/** Tools that may watch one replica at once. */
const MAX_WATCHERS = 32;
/** Proxies that may report to one replica at once. */
const MAX_REPORTERS = 20_000;
/** Flows a second that a watcher may ask of each proxy. */
const MAX_FLOWS_PER_SECOND = 1000;
/** Flows of one message of a proxy that are read. */
const MAX_FLOWS_PER_MESSAGE = 10_000;
const MAX_NAME_CHARACTERS = 512;

type ReportCall = ServerDuplexStream<ReportRequest, ReportControl>;
type WatchCall = ServerWritableStream<WatchRequest, WatchResponse>;

/** Adds the service to a server that serves TLS. */
export function mountTelemetry(server: Server, options: TelemetryServiceOptions): TelemetryService {
  const { hub, log } = options;
  const calls = new Set<ReportCall | WatchCall>();
  const implementation: UntypedServiceImplementation = {
    report: (call: ReportCall) => serve(call, 'flow report', acceptReport(call)),
    watch: (call: WatchCall) => serve(call, 'flow watch', acceptWatch(call)),
  };
  server.addService(grpcService(Telemetry), implementation);

  function serve(call: ReportCall | WatchCall, what: string, accepted: Promise<void>): void {
    call.on('error', () => undefined);
    calls.add(call);
    const leave = (): void => void calls.delete(call);
    call.on('cancelled', leave);
    call.on('close', leave);
    background(
      log,
      what,
      accepted.catch((error: unknown) => refuse(call, error, log)),
    );
  }

  async function acceptReport(call: ReportCall): Promise<void> {
    if (hub.counts.reporters >= MAX_REPORTERS) throw new XdsError('ERR_XDS_LIMIT', 'too many proxies report');
    const { namespace } = await options.admitReporter(factsOf(call));
    if (call.cancelled) return;
    let reporter: ReturnType<FlowHub['addReporter']> | undefined;
    const leave = (): void => {
      reporter?.[Symbol.dispose]();
      reporter = undefined;
    };
    call.on('cancelled', leave);
    call.on('close', leave);
    call.on('end', () => {
      leave();
      call.end();
    });
    call.on('data', (message: ReportRequest) => {
      reporter ??= hub.addReporter({
        name: message.reporter.slice(0, MAX_NAME_CHARACTERS),
        namespace,
        setLimit: (maxFlowsPerSecond) => void call.write(create(ReportControlSchema, { maxFlowsPerSecond })),
      });
      const kept = message.flows.slice(0, MAX_FLOWS_PER_MESSAGE);
      reporter.take(kept, message.dropped + message.flows.length - kept.length);
    });
  }

  async function acceptWatch(call: WatchCall): Promise<void> {
    if (hub.counts.watchers >= MAX_WATCHERS) throw new XdsError('ERR_XDS_LIMIT', 'too many tools watch already');
    const { namespace, maxFlowsPerSecond } = call.request;
    const facts = factsOf(call);
    await options.admitWatcher(facts, namespace);
    if (call.cancelled) return;
    let isBlocked = false;
    const flush = (): void => {
      if (isBlocked) return;
      const { flows, dropped } = watcher.take();
      if (flows.length > 0 || dropped > 0) write({ flows: [...flows], dropped });
    };
    const write = (message: Partial<Pick<WatchResponse, 'flows' | 'dropped'>>): void => {
      // What a reader has not taken stays in the hub's bounded queue, never here.
      isBlocked = !call.write(create(WatchResponseSchema, { ...message, reporters: hub.counts.reporters }));
    };
    const watcher = hub.addWatcher({
      namespace: namespace === '' ? undefined : namespace,
      maxPerSecond: Math.min(maxFlowsPerSecond || MAX_FLOWS_PER_SECOND, MAX_FLOWS_PER_SECOND),
      onFlows: flush,
    });
    const recheck = setInterval(() => {
      options.admitWatcher(facts, namespace).catch((error: unknown) => {
        leave();
        refuse(call, error, log);
      });
    }, options.recheckMs ?? 60_000).unref();
    const leave = (): void => {
      clearInterval(recheck);
      watcher[Symbol.dispose]();
    };
    call.on('cancelled', leave);
    call.on('close', leave);
    call.on('drain', () => {
      isBlocked = false;
      flush();
    });
    // Says at once that it watches, and how many proxies report here.
    write({});
  }

  return {
    close() {
      for (const call of calls) call.end();
      calls.clear();
    },
  };
}

function factsOf(call: ReportCall | WatchCall): CallFacts {
  return {
    header: (name) => call.metadata.get(name)[0]?.toString(),
    peer: call.getPeer(),
    isTls: true,
    peerCertificate: call.getAuthContext().sslPeerCertificate,
  };
}

const STATUS_OF: Partial<Readonly<Record<XdsError['code'], grpcStatus>>> = {
  ERR_XDS_UNAUTHENTICATED: grpcStatus.UNAUTHENTICATED,
  ERR_XDS_PERMISSION_DENIED: grpcStatus.PERMISSION_DENIED,
  ERR_XDS_LIMIT: grpcStatus.RESOURCE_EXHAUSTED,
};

function refuse(call: ReportCall | WatchCall, error: unknown, log: Logger): void {
  const code = (error instanceof XdsError ? STATUS_OF[error.code] : undefined) ?? grpcStatus.UNAVAILABLE;
  log.info('telemetry call refused', { peer: call.getPeer(), code: grpcStatus[code], error: explain(error) });
  call.emit('error', { code, details: messageOf(error) });
}
