// Pods with network namespaces, mount namespaces and users of their own (netns mode, root).
// Comes in: what to run. Goes out: processes behind nsenter, unshare and the root script. Implements `PodSandbox`.
// Main thread; nothing is mounted in the host's own mount namespace.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join, relative } from 'node:path';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Logger } from '@ambit/runtime/log';
import { connect, openNetns, openPipe, toDuplex } from '@ambit/net';
import type { NetnsHandle } from '@ambit/net';
import { createPodNetwork, removePodNetwork } from '../network/node-network.ts';
import type { PodLink } from '../network/node-network.ts';
import { netnsPrefix } from '../network/topology.ts';
import type { NodePlace } from '../network/topology.ts';
import type { AddressLease } from './address-lease.ts';
import { takeUserId } from './address-lease.ts';
import { addToChain, type CniNode, type CniPod, deleteFromChain, writeBaseChain } from './cni-chain.ts';
import { createCgroups, processesOfPod, removeCgroups, wasOutOfMemory } from './cgroup.ts';
import { writeEtcFiles } from './etc-files.ts';
import { hasHandler, sendSignal } from './host-process.ts';
import type { ResolvedImage } from './images.ts';
import { atTerminal, buildRootScript, CONTAINER_HOME, CONTAINER_NODE } from './root-script.ts';
import type { HostLayout } from './root-script.ts';
import type {
  ContainerExit,
  ContainerProcess,
  ContainerStart,
  ExecProcess,
  HostMount,
  PodSandbox,
  SandboxFactory,
} from './sandbox.ts';

/** What the sandboxes of one node share. */
export interface NetnsNode {
  readonly clusterId: string;
  readonly place: NodePlace;
  readonly addresses: AddressLease;
  readonly layout: HostLayout;
  /** The checkout on the host. */
  readonly ambitHome: string;
  readonly nodeBinary: string;
  /** Never visible in a pod. */
  readonly stateDir: string;
  /** Folder of this node's own host paths. */
  readonly nodeDir: string;
  readonly log: Logger;
}

const PATH = '/opt/node/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SETUP_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
const MACHINE_PATHS = ['/proc', '/sys/fs/cgroup'];

/** Makes the factory of one node. `close()` releases the handle on the node's namespace. */
export function createNetnsFactory(node: NetnsNode): SandboxFactory & { close(): void } {
  const handle = openNetns(`/run/netns/${node.place.netns ?? ''}`);
  writeBaseChain(node.nodeDir);
  return {
    create: (request) => createSandbox(node, handle, request),
    hostPath: (path, images) => hostPathOf(node, path, images),
    baseEnv: () => ({
      PATH,
      AMBIT_HOME: CONTAINER_HOME,
      NODE: CONTAINER_NODE,
      AMBIT_NODE_NETNS: `/var/run/netns/${node.place.netns ?? ''}`,
    }),
    close: () => handle.close(),
  };
}

function hostPathOf(node: NetnsNode, path: string, images: readonly ResolvedImage[]): string | undefined {
  const isGranted = images.every((image) =>
    image.grants?.hostPaths?.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
  );
  if (!isGranted || path.split('/').includes('..')) return undefined;
  if (path === '/var/run/netns' || path === '/run/netns') return '/run/netns';
  if (MACHINE_PATHS.includes(path)) return path;
  return join(node.nodeDir, path);
}

async function createSandbox(
  node: NetnsNode,
  nodeNetns: NetnsHandle,
  { pod, dir, files, isRoot }: Parameters<SandboxFactory['create']>[0],
): Promise<PodSandbox> {
  const uid = pod.metadata.uid ?? '';
  const hash = createHash('sha256').update(uid).digest('hex').slice(0, 10);
  const isHostNetwork = pod.spec.hostNetwork === true;
  const link: PodLink = {
    netns: isHostNetwork ? (node.place.netns ?? '') : `${netnsPrefix(node.clusterId)}${hash}`,
    link: `p${hash}`,
    ip: isHostNetwork ? node.place.ip : node.addresses.take(),
  };
  const user = isRoot ? 0 : takeUserId();
  const chain: CniNode = { ...node, netns: node.place.netns ?? '' };
  const chained: CniPod = {
    name: pod.metadata.name,
    namespace: pod.metadata.namespace ?? '',
    uid,
    sandboxId: hash,
    netns: link.netns,
    ip: link.ip,
    gateway: `${node.place.podPrefix}.1`,
  };
  let isNetworkMade = false;
  try {
    await mkdir(join(dir, 'etc'), { recursive: true });
    await writeEtcFiles(join(dir, 'etc'), files, link.ip, user);
    if (!isHostNetwork) {
      await createPodNetwork(node.place, link);
      isNetworkMade = true;
      await addToChain(chain, chained);
    }
  } catch (error) {
    if (isNetworkMade) await removePodNetwork(node.place, link);
    if (!isHostNetwork) node.addresses.release(link.ip);
    throw error;
  }
  const podNetns = openNetns(`/run/netns/${link.netns}`);
  const processes = new Set<ContainerProcess>();
  let removal: Promise<void> | undefined;

  const remove = async (): Promise<void> => {
    for (const each of processes) each.kill();
    for (const pid of processesOfPod(uid)) sendSignal(pid, 'SIGKILL');
    await Promise.all([...processes].map((each) => each.exited));
    podNetns.close();
    if (!isHostNetwork) {
      await deleteFromChain(chain, chained, node.log);
      await removePodNetwork(node.place, link);
      node.addresses.release(link.ip);
    }
    removeCgroups(uid);
  };

  return {
    ip: link.ip,
    user,
    hasOwnUser: true,
    startContainer: async (start) => {
      const process = await startContainer(node, uid, link.netns, join(dir, 'etc'), files.hostname, user, start);
      processes.add(process);
      void process.exited.then(() => processes.delete(process));
      return process;
    },
    dialFromNode: (port, host, timeoutMs) => dial(nodeNetns, host ?? link.ip, port, timeoutMs),
    dialInside: (port, timeoutMs) => dial(podNetns, '127.0.0.1', port, timeoutMs),
    remove: () => (removal ??= remove()),
  };
}

async function dial(netns: NetnsHandle, host: string, port: number, timeoutMs: number): Promise<Duplex> {
  return toDuplex(await connect({ kind: 'netns', fd: netns.fd }, { host, port, timeoutMs }));
}

async function startContainer(
  node: NetnsNode,
  podUid: string,
  netns: string,
  etcDir: string,
  hostname: string,
  user: number,
  start: ContainerStart,
): Promise<ContainerProcess> {
  const root = join(start.dir, 'root');
  const pidFile = join(start.dir, 'pid');
  await mkdir(root, { recursive: true });
  await rm(pidFile, { force: true });
  const { grants } = start.image;
  const granted = (grants?.capabilities ?? []).filter((name) => start.capabilities?.includes(name) ?? true);
  const script = buildRootScript(
    {
      root,
      etcDir,
      pidFile,
      cgroups: createCgroups(podUid, start.id, { memoryBytes: start.memoryBytes }),
      hostname,
      ambitHome: node.ambitHome,
      nodeBinary: node.nodeBinary,
      hidden: hiddenIn(node.ambitHome, node.stateDir),
      mounts: [...imageFiles(start.image), ...start.mounts],
      sharedPid: grants?.sharedPid === true,
      user,
      group: user,
      capabilities: user === 0 ? granted.map((name) => name.toLowerCase()) : [],
      workingDir: start.workingDir,
      env: start.tty ? { TERM: 'xterm', ...start.env } : start.env,
      argv: start.tty ? atTerminal(start.argv) : start.argv,
    },
    node.layout,
  );
  const scriptFile = join(start.dir, 'start.sh');
  await writeFile(scriptFile, script, { mode: 0o600 });
  await chmod(scriptFile, 0o600);
  const words = [
    `--net=/run/netns/${netns}`,
    'unshare',
    '--mount',
    // What the machine mounts later is seen inside (namespaces of new pods, by the node agent); nothing goes the other way.
    '--propagation',
    'slave',
    '--uts',
    '--ipc',
    ...(grants?.sharedPid === true ? [] : ['--pid']),
    '--fork',
    '--kill-child',
    '/bin/sh',
    scriptFile,
  ];
  const joined = spawnJoined(words, user, start.stdin);
  return containerProcess(joined, { pidFile, netns, podUid }, start, user);
}

interface JoinedChild {
  readonly child: ChildProcess;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

// Pipes, not the sockets of Node.js: images open /dev/stdout and /proc/1/fd/1.
function spawnJoined(words: readonly string[], user: number, hasStdin: boolean): JoinedChild {
  const out = openPipe(user);
  const err = openPipe(user);
  const input = hasStdin ? openPipe(user) : undefined;
  const child = spawn('nsenter', words, {
    stdio: [input?.read ?? 'ignore', out.write, err.write],
    detached: true,
    env: SETUP_ENV,
    cwd: '/',
  });
  for (const fd of [input?.read, out.write, err.write]) if (fd !== undefined) closeSync(fd);
  return {
    child,
    stdin: input === undefined ? undefined : inputEnd(input.write),
    stdout: outputEnd(out.read),
    stderr: outputEnd(err.read),
  };
}

const outputEnd = (fd: number): Readable => new Socket({ fd, readable: true, writable: false });

// A reader that left is no failure.
const inputEnd = (fd: number): Writable =>
  new Socket({ fd, readable: false, writable: true }).on('error', () => undefined);

const imageFiles = (image: ResolvedImage): HostMount[] =>
  Object.entries(image.files ?? {}).map(([target, source]) => ({ source, target, readOnly: true }));

// The state folder inside the checkout would otherwise come along with it.
function hiddenIn(ambitHome: string, stateDir: string): string[] {
  const path = relative(ambitHome, stateDir);
  return path === '' || path.startsWith('..') ? [] : [path];
}

interface ContainerPlace {
  readonly pidFile: string;
  readonly netns: string;
  readonly podUid: string;
}

// What unshare says (with status 1) when its child was killed: it can not die of SIGKILL itself to pass that on.
const KILLED_TEXT = 'unshare: sigprocmask unblock failed';
const LAST_OUTPUT_MS = 100;

function containerProcess(
  { child, stdin, stdout, stderr }: JoinedChild,
  { pidFile, netns, podUid }: ContainerPlace,
  start: ContainerStart,
  user: number,
): ContainerProcess {
  const outerPid = child.pid ?? 0;
  const innerPid = (): number | undefined => {
    try {
      const pid = Number(readFileSync(pidFile, 'latin1'));
      return pid > 1 ? pid : undefined;
    } catch {
      return undefined;
    }
  };
  const exited = new Promise<ContainerExit>((resolve) => {
    child.once('error', () => resolve({ exitCode: 128, signal: undefined }));
    let tail = ''; // the text may come in pieces
    stderr.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-256);
    });
    child.once('exit', (code, signal) => {
      const done = (): void => {
        const wasKilled = code === 1 && tail.includes(KILLED_TEXT);
        const exit = wasKilled ? exitOf(null, 'SIGKILL') : exitOf(code, signal);
        resolve(exit.signal === 9 ? { ...exit, isOutOfMemory: wasOutOfMemory(podUid, start.id) } : exit);
      };
      if (code !== 1) return done();
      // The text may still be on its way; `end` comes after the last output, unless somebody else holds the pipe.
      stderr.once('end', done);
      setTimeout(done, LAST_OUTPUT_MS);
    });
  });
  let isOver = false;
  void exited.then(() => {
    isOver = true;
    stdin?.destroy();
  });
  const kill = (): void => {
    if (isOver) return;
    const pid = innerPid();
    if (pid !== undefined) sendSignal(pid, 'SIGKILL');
    if (outerPid > 1) sendSignal(-outerPid, 'SIGKILL');
  };
  return {
    pid: outerPid,
    stdin,
    stdout,
    stderr,
    exited,
    kill,
    terminate: () => {
      if (isOver) return;
      const pid = innerPid();
      // The first process of a pid namespace does not see signals it has no handler for.
      if (pid === undefined || !hasHandler(pid, 15)) kill();
      else sendSignal(pid, 'SIGTERM');
    },
    exec: (argv, { tty }) => {
      const pid = innerPid();
      if (pid === undefined || isOver) throw new Error(`container ${start.name} is not running`);
      return spawnInside(pid, netns, argv, start, user, tty);
    },
  };
}

function spawnInside(
  pid: number,
  netns: string,
  argv: readonly string[],
  start: ContainerStart,
  user: number,
  tty: boolean,
): ExecProcess {
  const isShared = start.image.grants?.sharedPid === true;
  const wanted = tty ? { TERM: 'xterm', ...start.env } : start.env;
  const env = Object.entries(wanted).map(([name, value]) => `${name}=${value}`);
  const command = tty ? atTerminal(argv) : argv;
  const words = [
    `--target=${pid}`,
    `--net=/run/netns/${netns}`,
    '--mount',
    '--uts',
    '--ipc',
    ...(isShared ? [] : ['--pid']),
    '--root',
    '--wd',
    '--',
    '/usr/bin/setpriv',
    '--reuid',
    String(user),
    '--regid',
    String(user),
    '--clear-groups',
    '--inh-caps',
    '-all',
    '--bounding-set',
    [
      '-all',
      ...(user === 0 ? (start.image.grants?.capabilities ?? []).map((name) => `+${name.toLowerCase()}`) : []),
    ].join(','),
    '--',
    '/usr/bin/env',
    '-i',
    ...env,
    ...command,
  ];
  const { child, stdin, stdout, stderr } = spawnJoined(words, user, true);
  return { pid: child.pid, stdin: stdin as Writable, stdout, stderr, exited: execExit(child) };
}

/** The exit code of a command of exec. */
export function execExit(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(126));
    child.once('exit', (code) => resolve(code ?? 137));
  });
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGTERM: 15,
};

/** The exit of a child as containers report it: 128 and the signal's number when a signal ended it. */
export function exitOf(code: number | null, signal: NodeJS.Signals | null): ContainerExit {
  if (signal === null) return { exitCode: code ?? 255, signal: undefined };
  const number = SIGNALS[signal] ?? 9;
  return { exitCode: 128 + number, signal: number };
}
