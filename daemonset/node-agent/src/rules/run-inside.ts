// In: a namespace, a program, its input. Out: the program's end, run inside that namespace. Called by apply.ts and host.ts. Main thread.
// The program is started through nsenter on an inherited descriptor, so that this process's own threads never leave home.
import { spawn } from 'node:child_process';
import { inheritedEnvironment } from '../config.ts';
import { NodeAgentError } from '../errors.ts';

/** How a program ended. */
export interface ProgramResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node with thousands of services prints megabytes of rules; a text that was cut must never be taken for the rules. */
const outputLimit = 64 * 1024 * 1024;
/** Longer than the wait for the lock of legacy iptables (iptables-binary.ts). */
const timeoutMs = 40_000;

/** What a program that runs inside a namespace finds this namespace as. */
export const namespacePath = '/proc/self/fd/3';

/** Runs a program, inside a namespace when one is given; `variables` are added to the environment. Rejects when it cannot be started, prints more than 64 MiB or takes longer than 40 s. */
export async function runInside(
  netns: number | undefined,
  program: string,
  args: readonly string[],
  input = '',
  variables: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const command = netns === undefined ? program : 'nsenter';
  const all = netns === undefined ? args : [`--net=${namespacePath}`, program, ...args];
  const child = spawn(command, all, {
    stdio: netns === undefined ? ['pipe', 'pipe', 'pipe'] : ['pipe', 'pipe', 'pipe', netns],
    env: { ...inheritedEnvironment(), ...variables },
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
  });
  const chunks: { readonly stdout: Buffer[]; readonly stderr: Buffer[] } = { stdout: [], stderr: [] };
  let total = 0;
  const collect = (into: Buffer[]) => (chunk: Buffer) => {
    total += chunk.length;
    if (total <= outputLimit) into.push(chunk);
  };
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null)
    throw new NodeAgentError('ERR_NODE_AGENT_RULES', `${program} has no standard streams`);
  stdout.on('data', collect(chunks.stdout));
  stderr.on('data', collect(chunks.stderr));
  // A program that ends before it has read its input is judged by its status, not by the broken pipe.
  stdin.on('error', () => undefined);
  stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', (cause) =>
      reject(
        new NodeAgentError('ERR_NODE_AGENT_RULES', `${command} could not be started`, {
          cause,
          hint: `install the package that has ${command}`,
        }),
      ),
    );
    child.once('close', (status, signal) => {
      if (total > outputLimit)
        reject(new NodeAgentError('ERR_NODE_AGENT_RULES', `${program} printed more than ${outputLimit} bytes`));
      if (signal !== null)
        reject(
          new NodeAgentError(
            'ERR_NODE_AGENT_RULES',
            `${program} was ended by ${signal} after at most ${timeoutMs} ms`,
            {
              hint: 'another program may hold the lock of the kernel rules',
            },
          ),
        );
      resolve({
        status,
        stdout: Buffer.concat(chunks.stdout).toString('utf8'),
        stderr: Buffer.concat(chunks.stderr).toString('utf8'),
      });
    });
  });
}
