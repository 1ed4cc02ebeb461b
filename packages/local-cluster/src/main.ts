// The command line of the local cluster: `up` runs one in the foreground until SIGTERM, `down` ends and cleans one,
// `status` prints what runs. Comes in: arguments. Goes out: exit status 0, 1 (failure) or 2 (usage). Main thread.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createDrain } from '@ambit/runtime/drain';
import { explain } from '@ambit/runtime/errors';
import { runUntilSignal } from '@ambit/runtime/lifecycle';
import { createLogger, isLogThreshold } from '@ambit/runtime/log';
import type { RootLogger } from '@ambit/runtime/log';
import { createApiServer } from './api/api-server.ts';
import { startCluster, stopCluster } from './cluster.ts';
import { type ClusterFile, readClusterFile, readOwner, statePaths } from './cluster-state.ts';
import { watchRelays } from './evidence/relay-record.ts';
import { listPodRules } from './evidence/rules.ts';
import { watchPackets } from './evidence/wire.ts';
import { LocalClusterError } from './errors.ts';
import { readImageMap } from './node/images.ts';

const USAGE = `usage: local-cluster <up|down|status|wire|rules> --state <folder> [options]
  --mode netns|loopback   netns: root, network namespaces; loopback: any user (default: netns as root, else loopback)
  --nodes <n>             number of nodes (default 2)
  --api-port <port>       port of the API server on 127.0.0.1 (default: a free one)
  --images <file>         image map that comes before the built-in one
  --home <folder>         the checkout that images of the project run from
  --log-level <level>     error, warn, info, debug, trace (default info)
  --seconds <n>           how long wire looks (default 2)
`;

interface Arguments {
  readonly command: string;
  readonly stateDir: string;
  readonly mode: 'netns' | 'loopback';
  readonly nodes: number;
  readonly apiPort: number;
  readonly images: string | undefined;
  readonly home: string;
  readonly logLevel: string;
  readonly seconds: number;
}

function usage(message: string): LocalClusterError {
  return new LocalClusterError('ERR_LOCAL_CLUSTER_USAGE', message, { hint: USAGE });
}

function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      state: { type: 'string' },
      mode: { type: 'string' },
      nodes: { type: 'string', default: '2' },
      'api-port': { type: 'string', default: '0' },
      images: { type: 'string' },
      home: { type: 'string', default: resolve(import.meta.dirname, '../../..') },
      'log-level': { type: 'string', default: 'info' },
      seconds: { type: 'string', default: '2' },
    },
  });
  const [command = ''] = positionals;
  if (!['up', 'down', 'status', 'wire', 'rules'].includes(command)) throw usage(`no such command "${command}"`);
  if (values.state === undefined) throw usage('--state is missing');
  const mode = values.mode ?? (process.getuid?.() === 0 ? 'netns' : 'loopback');
  if (mode !== 'netns' && mode !== 'loopback') throw usage(`no such mode "${mode}"`);
  if (!isLogThreshold(values['log-level'])) throw usage(`no such log level "${values['log-level']}"`);
  const count = (text: string, name: string): number => {
    const number = Number(text);
    if (!Number.isInteger(number) || number < 0 || number > 65_535) throw usage(`"${text}" is no number for ${name}`);
    return number;
  };
  return {
    command,
    stateDir: resolve(values.state),
    mode,
    nodes: count(values.nodes, '--nodes'),
    apiPort: count(values['api-port'], '--api-port'),
    images: values.images,
    home: resolve(values.home),
    logLevel: values['log-level'],
    seconds: count(values.seconds, '--seconds'),
  };
}

async function up(options: Arguments, log: RootLogger): Promise<void> {
  await runUntilSignal(
    async () => {
      const startedMs = performance.now();
      const cluster = await startCluster({
        stateDir: options.stateDir,
        mode: options.mode,
        nodeCount: options.nodes,
        apiPort: options.apiPort,
        ambitHome: options.home,
        images: options.images === undefined ? [] : await readImageMap(options.images),
        log,
        createApiServer,
      });
      log.info('cluster is up', {
        mode: options.mode,
        nodes: options.nodes,
        apiPort: cluster.file.apiPort,
        kubeconfig: cluster.file.kubeconfig,
        elapsedMs: Math.round(performance.now() - startedMs),
      });
      return { close: () => cluster.close() };
    },
    { drain: createDrain(), drainDeadlineMs: 0, log },
  );
}

async function status(options: Arguments): Promise<void> {
  const paths = statePaths(options.stateDir);
  const owner = readOwner(paths);
  const file = await readClusterFile(paths);
  if (owner?.isAlive !== true) {
    process.stdout.write(`down  (no cluster runs from ${options.stateDir})\n`);
    process.exitCode = 1;
    return;
  }
  if (file === undefined) {
    process.stdout.write(`starting  (process ${owner.owner.pid})\n`);
    process.exitCode = 1;
    return;
  }
  const lines = [
    `up  process ${file.pid}, mode ${file.mode}, API https://127.0.0.1:${file.apiPort}`,
    `kubeconfig  ${file.kubeconfig}`,
    ...file.nodes.map((node) => `${node.name}  ${node.ip}${node.netns === undefined ? '' : `  ${node.netns}`}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** The description of the cluster that runs from the folder. Throws ERR_LOCAL_CLUSTER_USAGE when none does. */
async function requireCluster(options: Arguments): Promise<ClusterFile> {
  const file = await readClusterFile(statePaths(options.stateDir));
  if (file === undefined) throw usage(`no cluster runs from ${options.stateDir}`);
  return file;
}

/** What crosses between pods, as JSON. */
async function wire(options: Arguments): Promise<void> {
  const cluster = await requireCluster(options);
  const report =
    cluster.mode === 'netns'
      ? await watchPackets(cluster, options.seconds)
      : await watchRelays(cluster, statePaths(options.stateDir), options.seconds);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/** The rule tables in the pods' network namespaces, as JSON; none in loopback mode. */
async function rules(options: Arguments): Promise<void> {
  const { mode, id, nodes } = await requireCluster(options);
  const found =
    mode === 'netns'
      ? await listPodRules(
          id,
          nodes.flatMap(({ netns }) => netns ?? []),
        )
      : [];
  process.stdout.write(`${JSON.stringify(found)}\n`);
}

try {
  const options = readArguments(process.argv.slice(2));
  const log = createLogger({ level: options.logLevel, format: 'plain', scope: 'cluster' });
  if (options.command === 'up') await up(options, log);
  else if (options.command === 'down') {
    const outcome = await stopCluster(options.stateDir, log);
    process.stdout.write(`${outcome}\n`);
  } else if (options.command === 'wire') await wire(options);
  else if (options.command === 'rules') await rules(options);
  else await status(options);
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = error instanceof LocalClusterError && error.code === 'ERR_LOCAL_CLUSTER_USAGE' ? 2 : 1;
}
