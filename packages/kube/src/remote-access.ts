// Access to a cluster by a kubeconfig that somebody else wrote, such as the Secret of a remote cluster (spec control-plane 8.3 M2): only what
// stands in the text itself counts. A kubeconfig can name programs to run and files to read on this machine; such a one is refused.
// In: the text. Out: ApiAccess. Called by the control plane; pure.
import { parseDocuments } from '@ambit/resources/parse-documents';
import { KubeError } from './errors.ts';
import type { ApiAccess } from './transport.ts';

type Json = Readonly<Record<string, unknown>>;

/** Largest kubeconfig that is read. */
const MAX_CHARACTERS = 256 * 1024;
/** Fields of a user that mean no more than their text. */
const SAFE_USER_FIELDS = new Set(['token', 'client-certificate-data', 'client-key-data']);
const SAFE_CLUSTER_FIELDS = new Set(['server', 'certificate-authority-data', 'tls-server-name', 'extensions']);

/** Access by the current context of a kubeconfig. Throws ERR_KUBE_CONFIG for what is unreadable, incomplete or unsafe; no credential is told. */
export function remoteAccess(text: string): ApiAccess {
  const config = documentOf(text);
  const context = named(config, 'contexts', textOf(config['current-context']), 'context');
  const cluster = named(config, 'clusters', textOf(context['cluster']), 'cluster');
  const user = named(config, 'users', textOf(context['user']), 'user');
  refuse('user', user, SAFE_USER_FIELDS);
  refuse('cluster', cluster, SAFE_CLUSTER_FIELDS);
  const server = textOf(cluster['server']);
  if (!URL.canParse(server) || new URL(server).protocol !== 'https:') throw unusable('its server is no https address');
  const ca = base64Of(cluster['certificate-authority-data']);
  const cert = base64Of(user['client-certificate-data']);
  const key = base64Of(user['client-key-data']);
  const token = textOf(user['token']);
  if (token === '' && (cert === undefined || key === undefined))
    throw unusable('its user has neither token nor certificate');
  const servername = textOf(cluster['tls-server-name']);
  const options = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && key !== undefined && { cert, key }),
    ...(servername !== '' && { servername }),
  };
  const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
  return {
    server: server.endsWith('/') ? server.slice(0, -1) : server,
    credentials: async () => ({ options, headers }),
  };
}

/** The name that a kubeconfig gives the cluster of its current context. Throws ERR_KUBE_CONFIG. */
export function clusterNameOf(text: string): string {
  const config = documentOf(text);
  const name = textOf(named(config, 'contexts', textOf(config['current-context']), 'context')['cluster']);
  if (name === '') throw unusable('its context names no cluster');
  return name;
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function documentOf(text: string): Json {
  if (text.length > MAX_CHARACTERS) throw unusable(`it has more than ${MAX_CHARACTERS} characters`);
  try {
    const [document] = parseDocuments(text);
    if (document !== undefined) return document;
  } catch {
    // What a parser quotes of a kubeconfig may be a credential.
  }
  throw unusable('it is no YAML object');
}

function named(config: Json, list: string, name: string, field: string): Json {
  const entries = Array.isArray(config[list]) ? (config[list] as unknown[]) : [];
  const entry = entries.find((item) => isObject(item) && item['name'] === name);
  const value = isObject(entry) ? entry[field] : undefined;
  if (!isObject(value)) throw unusable(`it has no ${field} of the name that is asked for`);
  return value;
}

function refuse(what: string, value: Json, safe: ReadonlySet<string>): void {
  const bad = Object.keys(value).find((key) => !safe.has(key));
  if (bad !== undefined)
    throw unusable(`its ${what} has the field ${bad.slice(0, 64)}, which is not taken from others`);
}

function base64Of(value: unknown): Buffer | undefined {
  const bytes = Buffer.from(textOf(value), 'base64');
  return bytes.length === 0 ? undefined : bytes;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function unusable(why: string): KubeError {
  return new KubeError('ERR_KUBE_CONFIG', `the kubeconfig of a remote cluster cannot be used: ${why}`, {
    hint: 'make one with `istioctl create-remote-secret`, with a token and the certificate of the API server',
  });
}
