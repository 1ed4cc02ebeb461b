// `ambit agent log`. In: levels. Out: the levels in force of one node proxy or all, after the change (spec user-tools 2.2, 5.3).
// Called by command.ts.
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { durationMs } from '../output/duration.ts';
import { chooseAgent, nodeProxies } from './choose.ts';

/** Flags of the command. */
export interface LogFlags {
  readonly level?: string;
  readonly reset?: boolean;
  readonly node?: string;
  readonly proxyAdminPort: string;
  readonly for?: string;
}

const levels = ['error', 'warn', 'warning', 'info', 'debug', 'trace', 'off'];

/** Turns `scope:level` (as the help of istioctl has it) into `scope=level` (as the admin port takes it). Throws ERR_CLI_INVALID. */
export function normalizeLevels(text: string): string {
  return text
    .split(',')
    .map((part) => {
      const at = part.lastIndexOf('=') >= 0 ? part.lastIndexOf('=') : part.lastIndexOf(':');
      const [scope, level] = at < 0 ? ['', part] : [part.slice(0, at), part.slice(at + 1)];
      if (!levels.includes(level))
        throw new CliError('ERR_CLI_INVALID', `"${level}" is no log level`, {
          hint: `one of ${levels.join(', ')}; SCOPE:LEVEL for one scope`,
        });
      const word = level === 'warning' ? 'warn' : level;
      return scope === '' ? word : `${scope}=${word}`;
    })
    .join(',');
}

async function set(
  api: OpenedCluster,
  pod: { readonly namespace: string; readonly name: string },
  port: number,
  query: string,
): Promise<string> {
  const { status, body } = await api.askPod({
    ...pod,
    port,
    path: `/logging${query}`,
    method: 'POST',
  });
  if (status >= 400)
    throw new CliError('ERR_CLI_ADMIN', `${pod.name}.${pod.namespace} refused the level: ${body.trim()}`);
  return body.trim();
}

/** Sets or shows levels. With `--for` the command stays and puts the default back at the end, also on Ctrl-C. */
export async function agentLog(api: OpenedCluster, reference: string | undefined, flags: LogFlags): Promise<void> {
  const pods =
    reference === undefined && flags.node === undefined
      ? await nodeProxies(api, api.istioNamespace)
      : [
          (
            await chooseAgent(api, {
              istioNamespace: api.istioNamespace,
              namespace: api.namespace,
              ...(reference === undefined ? {} : { reference }),
              ...(flags.node === undefined ? {} : { node: flags.node }),
            })
          ).pod,
        ];
  const query =
    flags.reset === true
      ? '?reset'
      : flags.level === undefined
        ? ''
        : `?level=${encodeURIComponent(normalizeLevels(flags.level))}`;
  const apply = async (text: string, isShown: boolean): Promise<void> => {
    for (const pod of pods) {
      const answer = await set(
        api,
        { namespace: namespaceOf(pod), name: nameOf(pod) },
        Number(flags.proxyAdminPort),
        text,
      );
      if (isShown) process.stdout.write(`${nameOf(pod)}.${namespaceOf(pod)}:\n${answer}\n`);
    }
  };
  await apply(query, true);
  if (flags.for === undefined) return;
  process.stderr.write(`levels go back to the default in ${flags.for}, or with Ctrl-C\n`);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, durationMs(flags.for ?? ''));
    process.prependOnceListener('SIGINT', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  await apply('?reset', true);
}
