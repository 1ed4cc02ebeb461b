// `ambit proxy config` and `log`. In: a waypoint. Out: its dump, or its log levels, through the admin port of its pods.
import type { KubernetesObject } from '@ambit/resources';
import { normalizeLevels } from '../agent/log.ts';
import { kinds } from '../cluster/kinds.ts';
import { nameOf, namespaceOf } from '../cluster/object-fields.ts';
import type { OpenedCluster } from '../cluster/open.ts';
import { CliError } from '../errors.ts';
import { printDocument } from '../output/print-listing.ts';

const adminPort = 15_000;

async function podsOf(api: OpenedCluster, text: string): Promise<readonly KubernetesObject[]> {
  const [name = '', namespace = api.namespace] = (text.includes('/') ? text.slice(text.indexOf('/') + 1) : text).split(
    '.',
  );
  const pods = await api.list(kinds.pod, {
    namespace,
    labelSelector: `gateway.networking.k8s.io/gateway-name=${name}`,
  });
  if (pods.length > 0) return pods;
  const pod = await api.get({ ...kinds.pod, namespace, name });
  if (pod !== undefined) return [pod];
  throw new CliError('ERR_CLI_NOT_FOUND', `"${text}" is neither a waypoint nor a pod of namespace ${namespace}`, {
    hint: 'ambit waypoint list -A; of a node proxy: ambit agent dump',
  });
}

/** Prints the dump of the first pod, or one part of it. */
export async function waypointConfig(
  api: OpenedCluster,
  text: string,
  part: string | undefined,
  format: string,
): Promise<void> {
  const [pod] = await podsOf(api, text);
  if (pod === undefined) return;
  const { status, body } = await api.askPod({
    namespace: namespaceOf(pod),
    name: nameOf(pod),
    port: adminPort,
    path: '/config_dump',
  });
  if (status !== 200) throw new CliError('ERR_CLI_ADMIN', `waypoint ${nameOf(pod)} answered ${status}`);
  const dump = JSON.parse(body) as Record<string, unknown>;
  if (part !== undefined && !Object.hasOwn(dump, part))
    throw new CliError('ERR_CLI_INVALID', `a waypoint has no "${part}"`, { hint: Object.keys(dump).join(', ') });
  if (!(await printDocument(part === undefined ? dump : dump[part], format)))
    throw new CliError('ERR_CLI_INVALID', `a dump has no form "${format}"`, {
      hint: 'json, yaml or jsonpath=TEMPLATE',
    });
}

/** Shows or changes the levels of every pod. */
export async function waypointLog(api: OpenedCluster, text: string, level: string | undefined): Promise<void> {
  const query = level === undefined ? '' : `?level=${encodeURIComponent(normalizeLevels(level))}`;
  for (const pod of await podsOf(api, text)) {
    const { status, body } = await api.askPod({
      namespace: namespaceOf(pod),
      name: nameOf(pod),
      port: adminPort,
      path: `/logging${query}`,
      method: level === undefined ? 'GET' : 'POST',
    });
    if (status >= 400) throw new CliError('ERR_CLI_ADMIN', `waypoint ${nameOf(pod)} refused: ${body.trim()}`);
    process.stdout.write(`${nameOf(pod)}.${namespaceOf(pod)}:\n${body.trim()}\n`);
  }
}
