/**
 * The configuration in; returns when this machine has what it needs, else throws. Main thread, first step of `app.ts`.
 *
 * Shared mode creates sockets in other network namespaces and marks them; without the right to do so every pod would fail
 * one by one, so the process says it once and ends (spec/node-proxy.md 1.8). A DNS proxy that
 * cannot forward would break every name outside the mesh (10.4).
 */
import { bindUdp, closeFd, openNetns } from '@ambit/net';
import type { NodeProxyConfig } from './config.ts';
import { errorText, NodeProxyError } from './telemetry/response-flags.ts';

/** Throws `ERR_NODE_PROXY_CONFIG` with what is missing. */
export function verifyHost(config: NodeProxyConfig): void {
  const usesNamespaces = config.mode === 'shared' && config.env.AMBIT_ZDS_TRANSPORT === 'seqpacket';
  if (usesNamespaces) verifyPrivileges(config.packetMark);
  const answersDns = config.dns !== undefined && (usesNamespaces || config.mode === 'dedicated');
  if (answersDns && config.nameservers.length === 0) {
    throw new NodeProxyError('ERR_NODE_PROXY_CONFIG', 'the DNS proxy has no name server to forward to', {
      hint: 'name a server in /etc/resolv.conf, or set ISTIO_META_DNS_CAPTURE=false',
    });
  }
}

/** Makes a marked socket by way of the own namespace. Throws `ERR_NODE_PROXY_CONFIG`. */
function verifyPrivileges(mark: number | undefined): void {
  const own = openNetns('/proc/self/ns/net');
  try {
    const spec = { port: 0, address: '127.0.0.1', ...(mark === undefined ? {} : { mark }) };
    closeFd(bindUdp({ kind: 'netns', fd: own.fd }, spec));
  } catch (cause) {
    throw new NodeProxyError(
      'ERR_NODE_PROXY_CONFIG',
      `network namespaces cannot be entered or sockets not be marked: ${errorText(cause)}`,
      { cause, hint: 'shared mode needs the capabilities SYS_ADMIN, NET_ADMIN and NET_RAW (uid 0); see PROXY_MODE' },
    );
  } finally {
    own.close();
  }
}
