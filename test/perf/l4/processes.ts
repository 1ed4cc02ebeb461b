// Starts and ends the processes of a path and reads what they cost. Linux /proc for CPU time.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { basename, join } from 'node:path';
import type { BenchCertificates } from './certificates.ts';
import type { LoadAnswer, LoadOrder } from './load-process.ts';

/** The engines of the byte path. */
export const ENGINES = ['http2', 'framed', 'libssl'] as const;

/** A way from a load generator to an application. */
export interface BenchPath {
  readonly name: string;
  /** Byte-path engine, where it is one of ours. */
  readonly engine: string | undefined;
  /** Paths are compared within their group only: the groups differ in network and load generator. */
  readonly group: 'loopback' | 'pods';
  /** Where the load connects. */
  readonly host: string;
  readonly port: number;
  /** The proxies in between; empty for the direct path. */
  readonly processes: readonly ChildProcess[];
  readonly load: Load;
}

/** A process that does what it is told. */
export interface Answering<Order, Answer> {
  /** One order at a time. Rejects with the error of an answer, and when the process ended. */
  run(order: Order): Promise<Answer>;
  end(): void;
}

/** A load generator in a process of its own. */
export type Load = Answering<LoadOrder, LoadAnswer>;

const HOST = '127.0.0.1';
const START_MS = 10_000;
const CLOCK_TICKS_PER_SECOND = 100;
const here = import.meta.dirname;

/** Starts a script of this folder, behind `wrap`, and waits for its `listening <port>`. */
export async function startScript(
  file: string,
  args: readonly string[],
  wrap: readonly string[] = [],
): Promise<{ child: ChildProcess; port: number }> {
  const [command = '', ...argv] = [...wrap, process.execPath, '--conditions=@ambit/source', join(here, file), ...args];
  const child = spawn(command, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(START_MS) })) as [string];
  return { child, port: Number(line.split(' ')[1]) };
}

/** Starts a load generator behind `wrap`. */
export function startLoad(wrap: readonly string[] = []): Load {
  return startAnswering<LoadOrder, LoadAnswer>(join(here, 'load-process.ts'), [], wrap);
}

/** Starts a script behind `wrap` that answers one JSON line to each of its input; the path is absolute. */
export function startAnswering<Order, Answer extends { readonly error?: string }>(
  script: string,
  args: readonly string[],
  wrap: readonly string[] = [],
): Answering<Order, Answer> {
  const [command = '', ...argv] = [...wrap, process.execPath, '--conditions=@ambit/source', script, ...args];
  const child = spawn(command, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const answers = lines[Symbol.asyncIterator]();
  return {
    async run(order) {
      child.stdin.write(`${JSON.stringify(order)}\n`);
      const { value } = (await answers.next()) as { value: string | undefined };
      if (value === undefined) throw new Error(`${basename(script)} ended`);
      const answer = JSON.parse(value) as Answer;
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer;
    },
    end: () => void child.kill('SIGKILL'),
  };
}

/** A pair of bare tunnels of one engine, client first; `serverPort` takes tunnels. */
export async function startTunnels(
  certificates: BenchCertificates,
  applicationPort: number,
  engine: string,
): Promise<Pick<BenchPath, 'name' | 'engine' | 'port' | 'processes'> & { readonly serverPort: number }> {
  const side = async (role: string, port: number): Promise<{ child: ChildProcess; port: number }> =>
    startScript('ambit-side.ts', [role, engine, certificates.jsonFile, `${port}`]);
  const server = await side('server', applicationPort);
  const client = await side('client', server.port);
  return {
    name: `tunnels, ${engine}`,
    engine,
    port: client.port,
    serverPort: server.port,
    processes: [client.child, server.child],
  };
}

/** The haproxy pair (TLS 1.3, mutual, one TLS connection per stream), or undefined when it is not installed. */
export async function startHaproxy(
  certificates: BenchCertificates,
  applicationPort: number,
): Promise<Pick<BenchPath, 'name' | 'engine' | 'port' | 'processes'> | undefined> {
  if (spawnSync('haproxy', ['-v'], { stdio: 'ignore' }).status !== 0) return undefined;
  const [clientPort, serverPort] = [await freePort(), await freePort()];
  const { pairFile, rootFile, folder } = certificates;
  const tls = `ssl crt ${pairFile} ca-file ${rootFile} verify required`;
  const start = (name: string, bind: string, server: string): ChildProcess => {
    const file = join(folder, `${name}.cfg`);
    const common =
      'global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n';
    writeFileSync(file, `${common}listen ${name}\n  bind ${bind}\n  server s ${server}\n`);
    return spawn('haproxy', ['-db', '-f', file], { stdio: ['ignore', 'ignore', 'ignore'] });
  };
  const bindTls = `${HOST}:${serverPort} ${tls} ssl-min-ver TLSv1.3`;
  const serverSide = start('server', bindTls, `${HOST}:${applicationPort}`);
  const clientSide = start('client', `${HOST}:${clientPort}`, `${HOST}:${serverPort} ${tls} ssl-min-ver TLSv1.3`);
  await Promise.all([untilListening(serverPort), untilListening(clientPort)]);
  return { name: 'haproxy', engine: undefined, port: clientPort, processes: [clientSide, serverSide] };
}

/** CPU seconds (user and system) that the processes used so far. */
export function cpuSecondsOf(processes: readonly ChildProcess[]): number {
  let ticks = 0;
  for (const { pid } of processes) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / CLOCK_TICKS_PER_SECOND;
}

/** Resident memory of the processes, KB. */
export function residentKbOf(processes: readonly ChildProcess[]): number {
  const kbOf = (pid: number | undefined): number => {
    const line = readFileSync(`/proc/${pid}/status`, 'latin1')
      .split('\n')
      .find((text) => text.startsWith('VmRSS:'));
    return Number.parseInt(line?.slice('VmRSS:'.length) ?? '', 10);
  };
  return processes.reduce((sum, { pid }) => sum + kbOf(pid), 0);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Waits until somebody accepts on a port. */
export async function untilListening(port: number): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const socket = connect(port, HOST);
    try {
      await once(socket, 'connect');
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      socket.destroy();
    }
  }
}
