// In: where roots and token are kept. Out: what one connection attempt needs, read anew each time.
// Called by: client.ts before each stream, transport.ts for the channel. Main thread.
import { readFile, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { type SecureContext, checkServerIdentity, createSecureContext } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { XdsError } from '../errors.ts';

/** How to reach and convince the server, for one attempt. */
export interface StreamCredentials {
  /** PEM roots, one of which must have signed the server; 'system' = those of Node; 'plaintext' = no TLS (local tests, port 15010). */
  readonly roots: { readonly pem: string | Buffer } | 'system' | 'plaintext';
  /** Name that the server certificate must have, when it is not the host of the address. */
  readonly serverName?: string;
  /** Restrictions of TLS; default TLS 1.3 with every key exchange of Node. */
  readonly tls?: { readonly allowTls12?: boolean; readonly onlyPostQuantum?: boolean };
  /** Metadata of the stream, such as `authorization` and `clusterid`. Never logged. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads the credentials of the next attempt; a rejection counts as a failed attempt. */
export type CredentialsSource = () => Promise<StreamCredentials>;

/** Largest root or token file that is read. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Settings of {@link fileCredentials}. */
export interface FileCredentialsOptions {
  /** Path of the PEM roots, or 'system'. */
  readonly rootsPath: string;
  /** Path of the bearer token; undefined = no authentication (and no cluster id). */
  readonly tokenPath?: string;
  /** Sent as `clusterid` beside the token. */
  readonly clusterId?: string;
  readonly serverName?: string;
  /** Added to each stream (`XDS_HEADER_*`). */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Credentials from files that are read again for each connection, since both are rotated in place. */
export function fileCredentials(options: FileCredentialsOptions): CredentialsSource {
  const { rootsPath, tokenPath, clusterId, serverName, headers = {} } = options;
  return async () => ({
    roots: rootsPath === 'system' ? 'system' : { pem: await readSmallFile(rootsPath) },
    ...(serverName === undefined ? {} : { serverName }),
    headers: { ...(tokenPath === undefined ? {} : await bearer(tokenPath, clusterId)), ...headers },
  });
}

async function bearer(tokenPath: string, clusterId: string | undefined): Promise<Record<string, string>> {
  const token = (await readSmallFile(tokenPath)).toString('utf8');
  if (token === '') throw new XdsError('ERR_XDS_CREDENTIALS', `token file ${tokenPath} is empty`);
  return { authorization: `Bearer ${token}`, ...(clusterId === undefined ? {} : { clusterid: clusterId }) };
}

/** Reads a file after checking that it is a small regular one: a pipe or a huge file would hold up every reconnect. */
async function readSmallFile(path: string): Promise<Buffer> {
  try {
    const info = await stat(path);
    if (!info.isFile() || info.size > MAX_FILE_BYTES) {
      throw new XdsError('ERR_XDS_CREDENTIALS', `${path} is not a regular file of at most ${MAX_FILE_BYTES} bytes`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof XdsError) throw error;
    throw new XdsError('ERR_XDS_CREDENTIALS', `cannot read ${path}`, { cause: error });
  }
}

/** The grpc-js form of credentials. */
export interface ChannelSecurity {
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
}

/** SNI of a connection to an address: TLS forbids an address there, and grpc-js always sends something. */
const SNI_FOR_ADDRESS = 'control-plane.invalid';

/** TLS 1.3 with the roots as only anchors and no client certificate; the certificate must be for the host (name or IP) or `serverName`. */
export function channelSecurity(given: StreamCredentials, address: string): ChannelSecurity {
  if (given.roots === 'plaintext') return { credentials: credentials.createInsecure(), options: {} };
  const host = given.serverName ?? hostOf(address);
  const isAddress = isIP(host) !== 0;
  const context = secureContext(given.roots, given.tls);
  return {
    credentials: credentials.createFromSecureContext(context, {
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    }),
    options: {
      'grpc.ssl_target_name_override': isAddress ? SNI_FOR_ADDRESS : host,
      ...(given.serverName === undefined ? {} : { 'grpc.default_authority': given.serverName }),
    },
  };
}

function secureContext(
  roots: Exclude<StreamCredentials['roots'], 'plaintext'>,
  tls: StreamCredentials['tls'],
): SecureContext {
  try {
    return createSecureContext({
      minVersion: tls?.allowTls12 === true ? 'TLSv1.2' : 'TLSv1.3',
      ...(tls?.onlyPostQuantum === true ? { ecdhCurve: 'X25519MLKEM768' } : {}),
      ...(roots === 'system' ? {} : { ca: roots.pem }),
    });
  } catch (error) {
    throw new XdsError('ERR_XDS_CREDENTIALS', 'the roots of the control plane are not valid PEM', { cause: error });
  }
}

/** The host of `host:port` or `[v6]:port`. */
function hostOf(address: string): string {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
