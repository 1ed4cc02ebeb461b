// In: name, mode, node count. Out: a running cluster process that has written its description. Called by `local up` and the demo.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CliError } from '../errors.ts';
import { waitUntil } from '../output/wait-until.ts';
import { chooseMode, type ClusterMode, thisMachine } from './choose-mode.ts';
import { type ClusterDescription, clusterDirectory, readCluster } from './state-folder.ts';

/** How a cluster is started. */
export interface LaunchOptions {
  readonly root: string;
  readonly name: string;
  readonly mode: ClusterMode | 'auto';
  readonly nodes: number;
  /** True: the cluster outlives this process. */
  readonly background: boolean;
  readonly signal?: AbortSignal;
}

/** A started cluster. */
export interface LaunchedCluster {
  readonly description: ClusterDescription;
  readonly directory: string;
  readonly process: ChildProcess;
  readonly logFile: string;
}

const clusterMain = fileURLToPath(new URL('../../../local-cluster/src/main.ts', import.meta.url));

/** Runs the local cluster's program with these arguments, its output in a log file. */
function startProcess(options: LaunchOptions, directory: string, logFile: string): ChildProcess {
  const { mode, reason } = chooseMode(options.mode, thisMachine());
  if (reason !== undefined) process.stderr.write(`  loopback mode: ${reason}\n`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const output = openSync(logFile, 'w', 0o600);
  try {
    const child = spawn(
      process.execPath,
      [
        '--conditions=@ambit/source',
        clusterMain,
        'up',
        '--state',
        directory,
        '--mode',
        mode,
        '--nodes',
        String(options.nodes),
      ],
      { stdio: ['ignore', output, output], detached: true },
    );
    if (options.background) child.unref();
    return child;
  } finally {
    closeSync(output);
  }
}

/** Last lines of the log, for the error text. */
function tail(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-12).join('\n');
}

/** Starts a cluster and waits until it has described itself. Throws ERR_CLI_LOCAL_START with the end of its log. */
export async function launchCluster(options: LaunchOptions): Promise<LaunchedCluster> {
  const known = readCluster(options.root, options.name);
  if (known.running !== undefined) {
    throw new CliError(
      'ERR_CLI_LOCAL_RUNNING',
      `the local cluster "${options.name}" is already running (pid ${known.running.pid})`,
      {
        hint: `ambit local down --name ${options.name}`,
      },
    );
  }
  const directory = clusterDirectory(options.root, options.name);
  const logFile = join(directory, 'cluster.log');
  const child = startProcess(options, directory, logFile);
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `its process ended with ${signal ?? `status ${code}`}`));
  const description = await waitUntil(
    `local cluster "${options.name}"`,
    30_000,
    async () => {
      if (ended !== undefined) {
        throw new CliError('ERR_CLI_LOCAL_START', `the local cluster did not start: ${ended}\n${tail(logFile)}`, {
          hint: `see ${logFile}`,
        });
      }
      const { running } = readCluster(options.root, options.name);
      return running !== undefined && running.pid === child.pid
        ? { value: running }
        : { missing: 'it has not described itself yet' };
    },
    options.signal === undefined ? {} : { signal: options.signal },
  );
  return { description, directory, process: child, logFile };
}

/** Runs one short command of the local cluster's program and returns what it printed. */
export async function runClusterCommand(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['--conditions=@ambit/source', clusterMain, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) {
    throw new CliError(
      'ERR_CLI_LOCAL_START',
      `local cluster command "${args[0]}" ended with status ${code}: ${Buffer.concat(errors).toString('utf8').trim()}`,
    );
  }
  return Buffer.concat(output).toString('utf8');
}
