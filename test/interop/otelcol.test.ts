// Spans and access log records of a waypoint's data plane as a real OpenTelemetry collector takes them: spans over gRPC and over HTTP, log
// records over gRPC. The collector has to have the receiver otlp and the exporter file.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Backend_Kind } from '@ambit/proto/waypoint';
import { HOSTNAME, startTestMesh } from '@ambit/waypoint/testing';
import { stringify } from 'yaml';
import { freePort } from '../fixtures/free-port.ts';
import { peerTest } from '../fixtures/peer-program.ts';

const frontend = `apps/${HOSTNAME}`;
const caller = '00f067aa0ba902b7';
/** How long the waypoint may hold a batch back, and some. */
const patienceMs = 15_000;

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}
interface Resource {
  readonly attributes: readonly Attribute[];
}
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
}
interface LogRecord {
  readonly body: { readonly stringValue?: string };
  readonly attributes: readonly Attribute[];
}
interface Line {
  readonly resourceSpans?: readonly {
    readonly resource: Resource;
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
  readonly resourceLogs?: readonly {
    readonly resource: Resource;
    readonly scopeLogs: readonly { readonly logRecords: readonly LogRecord[] }[];
  }[];
}

const tag = (attributes: readonly Attribute[], name: string): string | undefined => {
  const value = attributes.find(({ key }) => key === name)?.value;
  return value?.stringValue ?? value?.intValue;
};

/** A collector that writes what it takes into a file. */
async function startCollector(program: string) {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-otelcol-'));
  const [grpc, http] = [await freePort(), await freePort()];
  const [config, output] = [join(folder, 'config.yaml'), join(folder, 'taken.json')];
  const pipeline = { receivers: ['otlp'], exporters: ['file'] };
  writeFileSync(
    config,
    stringify({
      receivers: {
        otlp: { protocols: { grpc: { endpoint: `127.0.0.1:${grpc}` }, http: { endpoint: `127.0.0.1:${http}` } } },
      },
      exporters: { file: { path: output, flush_interval: '100ms' } },
      service: { telemetry: { metrics: { level: 'none' } }, pipelines: { traces: pipeline, logs: pipeline } },
    }),
  );
  const child = spawn(program, ['--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text: Buffer) => (said += text.toString()));
  const isUp = async (port: number): Promise<boolean> => {
    const socket = connect(port, '127.0.0.1');
    return once(socket, 'connect').then(
      () => (socket.destroy(), true),
      () => false,
    );
  };
  const lines = (): readonly Line[] =>
    existsSync(output)
      ? readFileSync(output, 'utf8')
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Line)
      : [];
  const collector = {
    grpc,
    http,
    /** What `choose` finds in what the collector has taken, as soon as there is something. */
    async taken<T>(choose: (line: Line) => readonly T[]): Promise<T> {
      const deadline = Date.now() + patienceMs;
      while (Date.now() < deadline) {
        const [first] = lines().flatMap(choose);
        if (first !== undefined) return first;
        await delay(50);
      }
      assert.fail(`the collector took nothing of the kind within ${patienceMs} ms:\n${said}`);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  while (!(await isUp(grpc)) || !(await isUp(http))) {
    assert.equal(child.exitCode, null, said);
    await delay(50);
  }
  return collector;
}

const spansOf = (line: Line): readonly { readonly service: string | undefined; readonly span: Span }[] =>
  (line.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ service: tag(resource.attributes, 'service.name'), span })),
    ),
  );

const recordsOf = (line: Line): readonly { readonly name: string | undefined; readonly record: LogRecord }[] =>
  (line.resourceLogs ?? []).flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => ({ name: tag(resource.attributes, 'log_name'), record })),
    ),
  );

peerTest(
  'otelcol',
  'an OpenTelemetry collector takes spans over gRPC and HTTP, and access log records over gRPC',
  async (program) => {
    await using collector = await startCollector(program);
    const mesh = await startTestMesh({ accessLog: 'mesh' });
    try {
      mesh.addWorkload(2, { handler: (_request, response) => response.end('ok') });
      const at = (port: number) => ({
        hostname: 'collector.example',
        kind: Backend_Kind.STATIC,
        endpoints: [{ address: '127.0.0.1', port }],
      });
      const backend = { hostname: HOSTNAME, port: 80, serviceNamespace: 'apps', serviceName: 'reviews' };
      mesh.configure({
        backends: {
          [`${frontend}/80`]: { ...backend, members: ['cluster//Pod/apps/reviews-2'] },
          grpc: at(collector.grpc),
          http: at(collector.http),
        },
      });
      const accessLog = {
        name: 'log',
        body: {
          case: 'accessLog' as const,
          value: { otlpBackend: 'grpc', otlpLogName: 'mesh-log', textFormat: '%REQ(:METHOD)% %RESPONSE_CODE%' },
        },
      };
      for (const [number, backendName] of ['grpc', 'http'].entries()) {
        const value = { backend: backendName, http: backendName === 'http', samplingPercent: 100 };
        mesh.configure({
          proxy: {
            trustDomain: 'cluster.local',
            providers: [{ name: 'spans', body: { case: 'tracing', value } }, accessLog],
          },
        });
        const trace = `${number + 1}`.padStart(32, 'a');
        const sentMs = Date.now();
        const answer = await mesh.get('/', { headers: { traceparent: `00-${trace}-${caller}-01` } });
        assert.equal(answer.status, 200);
        const { service, span } = await collector.taken((line) =>
          spansOf(line).filter((one) => one.span.traceId === trace),
        );
        assert.ok(service !== undefined && service !== '', 'a service name');
        assert.equal(span.parentSpanId, caller);
        assert.equal(span.kind, 2, 'a server');
        assert.equal(tag(span.attributes, 'http.status_code'), '200');
        const startMs = Number(BigInt(span.startTimeUnixNano) / 1_000_000n);
        assert.ok(startMs >= sentMs - 1 && startMs <= Date.now(), `started at ${startMs}, sent at ${sentMs}`);
        assert.ok(BigInt(span.endTimeUnixNano) > BigInt(span.startTimeUnixNano));
      }
      const { name, record } = await collector.taken(recordsOf);
      assert.deepEqual([name, record.body.stringValue], ['mesh-log', 'GET 200']);
    } finally {
      mesh.close();
    }
  },
  { timeout: 90_000 },
);
