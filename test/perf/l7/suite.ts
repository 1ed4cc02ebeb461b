// Suite `l7`: HTTP through the waypoint with 100 routes, authorization, access log and metrics, against haproxy, nginx and,
// where AMBIT_PEER_ENVOY names one, Envoy with the same duties. In: nothing. Out: figures. Called by main.ts.
// 1 KB answers of nginx, kept-alive connections, wrk with one thread. CPU is that of the proxy's process, from /proc. The
// tunnelled path is client side -> waypoint -> server side, all of ours; only the waypoint's CPU counts.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { writeCertificates } from '../l4/certificates.ts';
import { startScript, untilListening } from '../l4/processes.ts';
import { benchReport, type BenchFigure, type BenchReport, median } from '../report.ts';
import { envoyConfig } from './envoy-config.ts';
import { decisionFigures } from './decisions.ts';
import { grpcFigures, halfLoadFigures, http2Figures } from './h2load.ts';
import { scaleFigures } from './scale.ts';
import { makeToken } from './token.ts';
import { CONNECTIONS, type Leg, LEG_SECONDS, measure, type Path } from './wrk.ts';

const host = '127.0.0.1';
const ROUNDS = Number(process.env['AMBIT_BENCH_ROUNDS'] ?? 3);
/** Engine of the two sides around the waypoint; their CPU does not count. */
const engine = 'http2';
const root = join(import.meta.dirname, '../../..');

const has = (program: string, flag: string): boolean =>
  spawnSync(program, [flag], { stdio: 'ignore' }).error === undefined;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function nginxConfig(folder: string, port: number, proxyPort: number, grpcPort: number): string {
  return `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log /dev/null; events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000;
  upstream app { server ${host}:${port}; keepalive 64; }
  server { listen ${host}:${port} backlog=4096; location / { default_type text/plain; return 200 "${'x'.repeat(1024)}"; } }
  server { listen ${host}:${grpcPort} http2; http2_max_requests 1000000000;
    location / { default_type application/grpc; add_trailer grpc-status 0; return 200 "${'x'.repeat(1024)}"; } }
  server { listen ${host}:${proxyPort}; access_log /dev/null; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`;
}

const start = (program: string, args: readonly string[]): ChildProcess =>
  spawn(program, args, { stdio: ['ignore', 'ignore', 'ignore'] });

async function startWaypoint(
  args: readonly string[],
): Promise<{ child: ChildProcess; plain: number; tunnels: number; grpc: number }> {
  const file = join(root, 'waypoint/src/testing/bench-waypoint.ts');
  const child = spawn(process.execPath, ['--conditions=@ambit/source', file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(20_000) })) as [string];
  const [, plain, tunnels, grpc] = line.split(' ').map(Number);
  return { child, plain: plain ?? 0, tunnels: tunnels ?? 0, grpc: grpc ?? 0 };
}

/** Runs the suite. */
export async function runL7(): Promise<BenchReport> {
  const startedMs = performance.now();
  const notRun: string[] = [];
  const figures: BenchFigure[] = [...decisionFigures(), ...scaleFigures()];
  const base = {
    suite: 'l7',
    reference: 'haproxy',
    notes: [
      `${CONNECTIONS} kept-alive connections, 1 KB answers, ${ROUNDS} interleaved rounds of ${LEG_SECONDS} s`,
      'ambit: 100 routes, 10 authorization rules, access log, metrics; haproxy and nginx: access log off or plain, nothing else',
      'ambit-h2: HTTP/2 from the client, HTTP/1.1 to the application; ambit-grpc: unary calls, HTTP/2 on both sides',
      'p99 at half load: every path at half the rate of ambit at saturation, open loop',
      'ambit-token: a signed token in every request; ambit-tunnel: HBONE in and out, the CPU of the waypoint only',
    ],
  };
  if (!has('nginx', '-v') || !has('wrk', '-v')) {
    notRun.push('paths over HTTP: nginx (the application) and wrk (the load) have to be installed');
    return benchReport(startedMs, { ...base, figures, notRun });
  }
  const certificates = await writeCertificates();
  const { folder } = certificates;
  const children: ChildProcess[] = [];
  try {
    const [application, nginxPort, haproxyPort] = [await freePort(), await freePort(), await freePort()];
    const grpcPort = await freePort();
    writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, application, nginxPort, grpcPort));
    const nginx = start('nginx', ['-c', join(folder, 'nginx.conf')]);
    children.push(nginx);
    await untilListening(application);
    const serverSide = await startScript('ambit-side.ts', ['server', engine, certificates.jsonFile, `${application}`]);
    const { token, jwks } = makeToken();
    writeFileSync(join(folder, 'jwks.json'), jwks);
    const waypointArgs = [certificates.jsonFile, `${application}`, `${serverSide.port}`, `${grpcPort}`];
    const ambit = await startWaypoint(waypointArgs);
    const withTokens = await startWaypoint([...waypointArgs, join(folder, 'jwks.json')]);
    const clientSide = await startScript('ambit-side.ts', [
      'client',
      engine,
      certificates.jsonFile,
      `${ambit.tunnels}`,
    ]);
    children.push(serverSide.child, ambit.child, withTokens.child, clientSide.child);
    const paths: Path[] = [
      { name: 'ambit', port: ambit.plain, process: ambit.child },
      {
        name: 'ambit-token',
        port: withTokens.plain,
        process: withTokens.child,
        headers: [`Authorization: Bearer ${token}`],
      },
      { name: 'ambit-tunnel', port: clientSide.port, process: ambit.child },
    ];
    if (has('haproxy', '-v')) {
      const file = join(folder, 'haproxy.cfg');
      writeFileSync(
        file,
        `global\n  nbthread 1\ndefaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\nlisten a\n  bind ${host}:${haproxyPort}\n  http-reuse always\n  server s ${host}:${application}\n`,
      );
      const child = start('haproxy', ['-db', '-f', file]);
      children.push(child);
      await untilListening(haproxyPort);
      paths.push({ name: 'haproxy', port: haproxyPort, process: child });
    } else notRun.push('haproxy: not installed');
    const envoy = process.env['AMBIT_PEER_ENVOY'];
    if (envoy === undefined || envoy === '') notRun.push('envoy: AMBIT_PEER_ENVOY names no program');
    else {
      const port = await freePort();
      const file = join(folder, 'envoy.json');
      writeFileSync(file, JSON.stringify(envoyConfig(port, application)));
      const child = start(envoy, ['-c', file, '--concurrency', '1', '-l', 'off']);
      children.push(child);
      await untilListening(port);
      paths.push({ name: 'envoy', port, process: child });
    }
    const compared = await compare(paths);
    figures.push(...compared);
    if (has('h2load', '--version')) {
      const rate = compared.find(({ quantity, path }) => quantity === 'requests' && path === 'ambit')?.median ?? 0;
      const direct = { name: 'direct', port: application, process: nginx };
      figures.push(
        ...(await halfLoadFigures([direct, ...paths.filter(({ headers }) => headers === undefined)], rate / 2)),
      );
      figures.push(...(await http2Figures([{ name: 'ambit-h2', port: ambit.plain, process: ambit.child }])));
      figures.push(...(await grpcFigures([{ name: 'ambit-grpc', port: ambit.grpc, process: ambit.child }])));
    } else notRun.push('HTTP/2, gRPC and half load: h2load is not installed');
  } finally {
    // nginx ends its worker only when it is asked to end.
    for (const child of children) child.kill(child.spawnfile === 'nginx' ? 'SIGTERM' : 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
  return benchReport(startedMs, { ...base, figures, notRun });
}

/** Interleaved rounds; the order turns with every round. */
async function compare(paths: readonly Path[]): Promise<BenchFigure[]> {
  const legs = new Map<string, Leg[]>(paths.map(({ name }) => [name, []]));
  for (const path of paths) await measure(path); // the first leg is for compilers and caches
  for (let round = 0; round < ROUNDS; round++) {
    const turned = [...paths.slice(round % paths.length), ...paths.slice(0, round % paths.length)];
    for (const path of turned) {
      process.stderr.write(`round ${round + 1}: ${path.name}\n`);
      legs.get(path.name)?.push(await measure(path));
    }
  }
  const quantities: readonly (readonly [string, string, keyof Leg])[] = [
    ['CPU per request', 'us', 'cpuMicroseconds'],
    ['requests', '1/s', 'requestsPerSecond'],
    ['p99 at saturation', 'ms', 'p99Milliseconds'],
  ];
  const reference = legs.get('haproxy');
  return quantities.flatMap(([quantity, unit, key]) =>
    [...legs].map(([path, list]) => {
      const rounds = list.map((leg) => leg[key]);
      const ratios = reference?.map((leg, index) => (rounds[index] ?? Number.NaN) / leg[key]);
      return {
        quantity,
        unit,
        path,
        median: median(rounds),
        rounds,
        ratio: ratios === undefined ? undefined : median(ratios),
      };
    }),
  );
}
