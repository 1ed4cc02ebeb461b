/**
 * The configured root and token in; what the xDS and CA clients ask for at each connection out. Main thread.
 *
 * A value that names an existing file is read again each time, since both are rotated in place; otherwise it is the
 * content itself (spec/node-proxy.md 1.5 `XDS_ROOT_CA`, `AUTH_TOKEN`).
 */
import { existsSync, readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import type { CredentialsSource, StreamCredentials } from '@ambit/xds';
import type { ControlPlaneAddress } from '../config.ts';
import type { DataConfig } from '../threads/messages.ts';
import { NodeProxyError } from '../telemetry/response-flags.ts';

const DEFAULT_TOKEN = './var/run/secrets/tokens/istio-token';

/** The root as PEM: `SYSTEM`, the content of a file, or the text itself. Throws when there is none. */
export function rootPem(value: string): string {
  if (value === 'SYSTEM') return rootCertificates.join('\n');
  if (value.includes('-----BEGIN')) return value;
  if (!existsSync(value)) {
    throw new NodeProxyError('ERR_NODE_PROXY_CONFIG', `the root certificate ${value.slice(0, 200)} does not exist`, {
      hint: 'set XDS_ROOT_CA or CA_ROOT_CA to a file, to PEM text or to SYSTEM',
    });
  }
  return readFileSync(value, 'utf8');
}

/** The bearer token, read now; undefined when no authentication is configured. */
export function bearerToken(value: string): string | undefined {
  if (existsSync(value)) {
    const token = readFileSync(value, 'utf8').trim();
    if (token === '') throw new NodeProxyError('ERR_NODE_PROXY_CONFIG', `the token file ${value} is empty`);
    return token;
  }
  return value === DEFAULT_TOKEN ? undefined : value;
}

/** Credentials of each xDS connection. */
export function xdsCredentials(
  address: ControlPlaneAddress,
  options: { token: string; clusterId: string; tls: DataConfig['tls'] },
): CredentialsSource {
  return async (): Promise<StreamCredentials> => {
    const token = bearerToken(options.token);
    const authentication =
      token === undefined ? {} : { authorization: `Bearer ${token}`, clusterid: options.clusterId };
    return {
      roots: address.plaintext
        ? 'plaintext'
        : address.rootCa === 'SYSTEM'
          ? 'system'
          : { pem: rootPem(address.rootCa) },
      ...(address.altHostname === undefined ? {} : { serverName: address.altHostname }),
      tls: options.tls,
      headers: { ...authentication, ...address.headers },
    };
  };
}
