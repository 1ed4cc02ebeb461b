// Starts and ends the processes of a path and reads what they cost. Linux /proc for CPU time.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { BenchCertificates } from './certificates.ts';

/** A way from the load generator to the application. */
export interface BenchPath {
  readonly name: string;
  /** Where the load connects. */
  readonly port: number;
  /** The proxies in between; empty for the direct path. */
  readonly processes: readonly ChildProcess[];
}

const HOST = '127.0.0.1';
const START_MS = 10_000;
const CLOCK_TICKS_PER_SECOND = 100;
const here = import.meta.dirname;

/** Starts a script of this folder and waits for its `listening <port>`. */
export async function startScript(
  file: string,
  args: readonly string[],
): Promise<{ child: ChildProcess; port: number }> {
  const argv = ['--conditions=@ambit/source', join(here, file), ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no standard output');
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, 'line', { signal: AbortSignal.timeout(START_MS) })) as [string];
  return { child, port: Number(line.split(' ')[1]) };
}

/** The Ambit pair. */
export async function startAmbit(certificates: BenchCertificates, applicationPort: number): Promise<BenchPath> {
  const server = await startScript('ambit-side.ts', ['server', certificates.jsonFile, `${applicationPort}`]);
  const client = await startScript('ambit-side.ts', ['client', certificates.jsonFile, `${server.port}`]);
  return { name: 'ambit', port: client.port, processes: [client.child, server.child] };
}

/** The haproxy pair (TLS 1.3, mutual, one TLS connection per stream), or undefined when it is not installed. */
export async function startHaproxy(
  certificates: BenchCertificates,
  applicationPort: number,
): Promise<BenchPath | undefined> {
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
  return { name: 'haproxy', port: clientPort, processes: [clientSide, serverSide] };
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
