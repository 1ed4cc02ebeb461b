// A node of the loopback mode: pods are plain processes of the same user, each with an address of 127/8.
// Comes in: the node's place and the services. Goes out: a `SandboxFactory` and the node's relay. Main thread.
// There is no isolation between these pods: the mode is for trying things without root.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { connect, toDuplex } from '@ambit/net';
import type { Logger } from '@ambit/runtime/log';
import type { ObjectApi } from '../api/object-api.ts';
import { startLoopbackHostPorts } from '../network/loopback-host-ports.ts';
import { startLoopbackRelay } from '../network/loopback-relay.ts';
import type { ServiceWatcher } from '../network/service-watcher.ts';
import type { NodePlace } from '../network/topology.ts';
import { recordPlaintext } from '../evidence/relay-record.ts';
import { createAddressLease } from './address-lease.ts';
import { sendSignal } from './host-process.ts';
import type { ResolvedImage } from './images.ts';
import { createListenerKeeper } from './loopback-listeners.ts';
import type { ListenerKeeper } from './loopback-listeners.ts';
import { execExit, exitOf } from './netns-sandbox.ts';
import { atTerminal } from './root-script.ts';
import type { ContainerExit, ContainerProcess, ContainerStart, PodSandbox, SandboxFactory } from './sandbox.ts';

/** What a loopback node is made of. */
export interface LoopbackNodeOptions {
  readonly api: ObjectApi;
  readonly services: ServiceWatcher;
  readonly place: NodePlace;
  readonly ambitHome: string;
  /** Folder of the node's own host paths. */
  readonly nodeDir: string;
  readonly log: Logger;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const MACHINE_PATHS = ['/proc', '/sys/fs/cgroup'];

/** Starts the node's relay and returns its factory; `close()` ends relay and kept listeners. */
export async function startLoopbackNode(
  options: LoopbackNodeOptions,
): Promise<SandboxFactory & { close(): Promise<void> }> {
  const { place, ambitHome, nodeDir } = options;
  const addresses = createAddressLease(place);
  const keeper = createListenerKeeper();
  const relay = await startLoopbackRelay({
    api: options.api,
    place,
    table: () => options.services.table(place.name),
    onPlaintext: recordPlaintext(nodeDir),
    log: options.log.child('relay'),
  });
  const preload = pathToFileURL(join(ambitHome, 'packages/local-cluster/preload/register.mjs')).href;

  const hostPorts = startLoopbackHostPorts(options.services, place.name, options.log.child('host-ports'));

  return {
    create: ({ pod, dir }) => {
      const isHostNetwork = pod.spec.hostNetwork === true;
      const ip = isHostNetwork ? place.ip : addresses.take();
      return Promise.resolve(
        createSandbox({
          ip,
          place,
          dir,
          preload,
          relay: relay.address,
          keeper,
          release: () => !isHostNetwork && addresses.release(ip),
        }),
      );
    },
    hostPath: (path, images) => hostPathOf(nodeDir, path, images),
    baseEnv: () => ({ PATH, AMBIT_HOME: ambitHome, NODE: process.execPath, AMBIT_ZDS_TRANSPORT: 'stream' }),
    close: async () => {
      relay.close();
      keeper.close();
      await hostPorts.close();
    },
  };
}

function hostPathOf(nodeDir: string, path: string, images: readonly ResolvedImage[]): string | undefined {
  const isGranted = images.every((image) =>
    image.grants?.hostPaths?.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
  );
  if (!isGranted || path.split('/').includes('..')) return undefined;
  return MACHINE_PATHS.includes(path) ? path : join(nodeDir, path);
}

interface LoopbackPod {
  readonly ip: string;
  readonly place: NodePlace;
  readonly dir: string;
  readonly preload: string;
  readonly relay: string;
  readonly keeper: ListenerKeeper;
  readonly release: () => void;
}

function createSandbox(pod: LoopbackPod): PodSandbox {
  const processes = new Set<ContainerProcess>();
  let removal: Promise<void> | undefined;
  const remove = async (): Promise<void> => {
    for (const each of processes) each.kill();
    await Promise.all([...processes].map((each) => each.exited));
    pod.release();
  };
  return {
    ip: pod.ip,
    user: process.getuid?.() ?? 0,
    hasOwnUser: false,
    startContainer: async (start) => {
      const started = await startProcess(pod, start);
      processes.add(started);
      void started.exited.then(() => processes.delete(started));
      return started;
    },
    dialFromNode: (port, host, timeoutMs) => dial(pod.place.ip, host ?? pod.ip, port, timeoutMs),
    dialInside: (port, timeoutMs) => dial(pod.ip, pod.ip, port, timeoutMs),
    remove: () => (removal ??= remove()),
  };
}

async function dial(source: string, host: string, port: number, timeoutMs: number): Promise<Duplex> {
  return toDuplex(await connect({ kind: 'loopback', address: source }, { host, port, timeoutMs }));
}

async function startProcess(pod: LoopbackPod, start: ContainerStart): Promise<ContainerProcess> {
  const scratch = join(start.dir, 'tmp');
  await mkdir(scratch, { recursive: true });
  const mounts = Object.fromEntries(start.mounts.map(({ source, target }) => [target, source]));
  const nodeOptions = [start.env['NODE_OPTIONS'] ?? '', `--import=${pod.preload}`].join(' ').trim();
  const env: Record<string, string> = {
    ...(start.tty ? { TERM: 'xterm' } : {}),
    ...start.env,
    TMPDIR: start.env['TMPDIR'] ?? scratch,
    NODE_OPTIONS: nodeOptions,
    AMBIT_LOOPBACK_POD_IP: pod.ip,
    AMBIT_LOOPBACK_RELAY: pod.relay,
    AMBIT_LOOPBACK_MOUNTS: JSON.stringify(mounts),
    AMBIT_LOOPBACK_WORKING_DIR: start.workingDir,
  };
  const wanted = mounts[start.workingDir] ?? start.workingDir;
  const cwd = wanted !== '/' && existsSync(wanted) ? wanted : scratch;
  const isSupervised = start.image.listeners === 'supervisor';
  const [program = '', ...words] = start.tty ? atTerminal(start.argv) : start.argv;
  const input = start.stdin ? 'pipe' : 'ignore';
  const child = spawn(program, words, {
    env,
    cwd,
    detached: true,
    stdio: isSupervised ? [input, 'pipe', 'pipe', 'ipc'] : [input, 'pipe', 'pipe'],
  });
  if (isSupervised) {
    pod.keeper.attach(child);
    child.channel?.unref();
  }
  await spawned(child);
  return processOf(child, { env, cwd, name: start.name });
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
}

function processOf(
  child: ChildProcess,
  at: { env: Record<string, string>; cwd: string; name: string },
): ContainerProcess {
  const pid = child.pid ?? 0;
  let isOver = false;
  const exited = new Promise<ContainerExit>((resolve) => {
    child.once('exit', (code, signal) => {
      isOver = true;
      sendSignal(-pid, 'SIGKILL'); // what it started ends with it
      resolve(exitOf(code, signal));
    });
  });
  child.on('error', () => undefined); // a signal that could not be sent
  return {
    pid,
    stdin: child.stdin?.on('error', () => undefined) ?? undefined,
    stdout: child.stdout as NonNullable<typeof child.stdout>,
    stderr: child.stderr as NonNullable<typeof child.stderr>,
    exited,
    terminate: () => {
      if (!isOver) sendSignal(pid, 'SIGTERM');
    },
    kill: () => {
      if (!isOver) sendSignal(-pid, 'SIGKILL');
    },
    exec: (argv, { tty }) => {
      if (isOver) throw new Error(`container ${at.name} is not running`);
      const [program = '', ...words] = tty ? atTerminal(argv) : argv;
      const env = tty ? { TERM: 'xterm', ...at.env } : at.env;
      const made = spawn(program, words, { env, cwd: at.cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
      made.stdin.on('error', () => undefined);
      const { stdin, stdout, stderr } = made;
      return { pid: made.pid, stdin, stdout, stderr, exited: execExit(made) };
    },
  };
}
