// In: a pod's namespace, one of its connections. Out: the connection reset in both directions. Called by routes.ts.
import { NodeAgentError } from '../errors.ts';
import { runInside } from '../rules/run-inside.ts';
import type { TableConnection } from './table.ts';

const endpoint = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Resets a connection through the kernel's socket diagnosis. Throws ERR_NODE_AGENT_RULES where the kernel or `ss` cannot. */
export async function resetConnection(netns: number, connection: TableConnection): Promise<void> {
  const { localAddress, localPort, remoteAddress, remotePort } = connection;
  const filter = ['src', endpoint(localAddress, localPort), 'and', 'dst', endpoint(remoteAddress, remotePort)];
  const { status, stderr } = await runInside(netns, 'ss', ['-K', '-t', '-n', '-H', 'state', 'established', ...filter]);
  if (status !== 0 || stderr.includes('not supported'))
    throw new NodeAgentError('ERR_NODE_AGENT_RULES', `ss could not reset a connection: status ${status}`, {
      cause: new Error(stderr.trim()),
      hint: 'the kernel needs CONFIG_INET_DIAG_DESTROY',
    });
}
