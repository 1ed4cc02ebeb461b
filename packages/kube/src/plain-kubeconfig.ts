// A kubeconfig whose credentials are plain: a token, a certificate, or nothing. In: the file and a context. Out: ApiAccess, or undefined
// where the library has to read it (programs to run, proxies, anything unusual, anything wrong: it tells the mistakes). Loading the library
// costs a command 0.5 s; most kubeconfigs need nothing of it. Called by access.ts.
import { parseDocuments } from '@ambit/resources/parse-documents';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

type Json = Readonly<Record<string, unknown>>;

/** Where a certificate or token stands: in the text, or in a file. */
type Source = { readonly bytes: Buffer } | { readonly file: string } | undefined;

/** What a plain kubeconfig says of one context. */
export interface PlainKubeconfig {
  readonly server: string;
  /** Says that the author knows of a server without TLS. */
  readonly skipsVerification: boolean;
  /** Namespace of the context. */
  readonly namespace: string | undefined;
  readonly token: string | undefined;
  /** A token that is read again when its file changes. */
  readonly tokenFile: string | undefined;
  /** TLS options of every request. */
  readonly tls: Readonly<Record<string, unknown>>;
}

const USER_FIELDS = new Set([
  'token',
  'tokenFile',
  'client-certificate',
  'client-certificate-data',
  'client-key',
  'client-key-data',
]);
const CLUSTER_FIELDS = new Set([
  'server',
  'certificate-authority',
  'certificate-authority-data',
  'insecure-skip-tls-verify',
  'tls-server-name',
  'extensions',
]);
const CONTEXT_FIELDS = new Set(['cluster', 'user', 'namespace', 'extensions']);

/** Reads the file; undefined = not plain. Files that it names are read at once, as kubectl does. Never throws. */
export async function readPlainKubeconfig(
  path: string,
  contextName: string | undefined,
): Promise<PlainKubeconfig | undefined> {
  try {
    const [config] = parseDocuments(await readFile(path, 'utf8')) as readonly Json[];
    const context = plainEntry(config, 'contexts', contextName ?? config?.['current-context'], CONTEXT_FIELDS);
    const cluster = plainEntry(config, 'clusters', context?.['cluster'], CLUSTER_FIELDS);
    const user = plainEntry(config, 'users', context?.['user'], USER_FIELDS);
    const server = textOf(cluster?.['server']);
    if (context === undefined || cluster === undefined || user === undefined || server === undefined) return undefined;
    const read = async (owner: Json, field: string): Promise<Buffer | undefined> =>
      contentOf(sourceOf(owner, field, dirname(path)));
    const [ca, cert, key] = await Promise.all([
      read(cluster, 'certificate-authority'),
      read(user, 'client-certificate'),
      read(user, 'client-key'),
    ]);
    const servername = textOf(cluster['tls-server-name']);
    const skipsVerification = cluster['insecure-skip-tls-verify'] === true;
    // Verification is never switched off here.
    if (skipsVerification && !server.startsWith('http://')) return undefined;
    const tokenFile = textOf(user['tokenFile']);
    return {
      server: server.endsWith('/') ? server.slice(0, -1) : server,
      skipsVerification,
      namespace: textOf(context['namespace']),
      token: tokenFile === undefined ? textOf(user['token']) : undefined,
      tokenFile: tokenFile === undefined ? undefined : resolve(dirname(path), tokenFile),
      tls: {
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(servername !== undefined && { servername }),
      },
    };
  } catch {
    return undefined;
  }
}

/** The body of a named entry, when it has no other field than these. A user may have no field at all. */
function plainEntry(
  config: Json | undefined,
  list: string,
  name: unknown,
  fields: ReadonlySet<string>,
): Json | undefined {
  const entries = config?.[list];
  const named = Array.isArray(entries)
    ? (entries as readonly (Json | null)[]).filter((entry) => entry?.['name'] === name)
    : [];
  const value = named[0]?.[list.slice(0, -1)] ?? {};
  if (named.length !== 1 || typeof value !== 'object' || Array.isArray(value)) return undefined;
  return Object.keys(value).every((field) => fields.has(field)) ? (value as Json) : undefined;
}

/** As kubectl: data in the text wins over a file. */
function sourceOf(owner: Json, field: string, folder: string): Source {
  const data = textOf(owner[`${field}-data`]);
  if (data !== undefined) return { bytes: Buffer.from(data, 'base64') };
  const file = textOf(owner[field]);
  return file === undefined ? undefined : { file: resolve(folder, file) };
}

async function contentOf(source: Source): Promise<Buffer | undefined> {
  if (source === undefined) return undefined;
  return 'file' in source ? readFile(source.file) : source.bytes;
}

/** A text that is not empty. Throws for what is neither a text nor absent. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}
