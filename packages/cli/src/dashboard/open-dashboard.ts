// `ambit dashboard NAME`. In: what to show. Out: its address on this machine, until Ctrl-C. Nothing is installed: what is not there is
// said. Called by command.ts.
import type { KubernetesObject } from '@ambit/resources';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { kinds } from '../cluster/kinds.ts';
import { conditionOf, nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { parseReference } from '../cluster/reference.ts';
import { resolvePods } from '../cluster/resolve.ts';
import { CliError } from '../errors.ts';
import { isEnding } from '../mesh/capture.ts';
import { forward } from './forward.ts';
import type { DashboardTarget } from './targets.ts';

/** Options of the command. */
export interface DashboardOptions {
  readonly address: string;
  /** 0 = the program's own port where it is free, else any. */
  readonly port: number;
  readonly browser: boolean;
}

const isReady = (pod: KubernetesObject): boolean => !isEnding(pod) && conditionOf(pod, 'Ready')?.status === 'True';

const openers: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' };

/** Opens a page in the browser of the user; without one the printed address has to do. */
function openBrowser(url: string): void {
  const program = openers[process.platform];
  if (program === undefined) return;
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
}

async function show(
  api: OpenedCluster,
  pod: KubernetesObject,
  { port, path }: Pick<DashboardTarget, 'port' | 'path'>,
  options: DashboardOptions,
  signal: AbortSignal,
): Promise<void> {
  const target = { namespace: namespaceOf(pod), name: nameOf(pod), port };
  const listen = async (local: number) =>
    forward(
      async () => api.openPod(target),
      { address: options.address, port: local },
      (error) => process.stderr.write(`${error instanceof Error ? error.message : 'the pod cannot be reached'}\n`),
    );
  await using running = await (options.port === 0
    ? listen(port).catch(async () => listen(0))
    : listen(options.port).catch((cause: unknown) => {
        throw new CliError('ERR_CLI_INVALID', `port ${options.port} of ${options.address} cannot be used`, { cause });
      }));
  const url = `http://${options.address.includes(':') ? `[${options.address}]` : options.address}:${running.port}${path}`;
  process.stdout.write(`${url}\n`);
  if (options.browser) openBrowser(url);
  if (!signal.aborted) await once(signal, 'abort');
}

/** Shows a program that was installed beside the mesh. Throws ERR_CLI_NOT_FOUND when it was not. */
export async function openDashboard(
  api: OpenedCluster,
  name: string,
  target: DashboardTarget,
  options: DashboardOptions,
  signal: AbortSignal,
): Promise<void> {
  const pods = await api.list(kinds.pod, { namespace: api.istioNamespace, labelSelector: target.selector });
  const pod = pods.find(isReady);
  if (pod === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `no ready pod with ${target.selector} in namespace ${api.istioNamespace}`, {
      hint: `install ${name} there, or name its namespace with -i`,
    });
  await show(api, pod, target, options, signal);
}

/** Shows the admin pages of a node proxy or a waypoint. */
export async function openProxyDashboard(
  api: OpenedCluster,
  reference: string,
  options: DashboardOptions,
  signal: AbortSignal,
): Promise<void> {
  const pod = (await resolvePods(api, parseReference(reference), api.namespace)).find(isReady);
  if (pod === undefined)
    throw new CliError('ERR_CLI_NOT_FOUND', `"${reference}" has no ready pod`, {
      hint: 'a waypoint such as deploy/waypoint, or a pod of ztunnel',
    });
  await show(api, pod, { port: 15_000, path: '/' }, options, signal);
}
