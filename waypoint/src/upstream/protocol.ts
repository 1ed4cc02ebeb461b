/** Which HTTP version a backend is spoken to in (spec/waypoint.md 5.1). Pure; called by try.ts. */
import type { Backend } from '@ambit/proto/waypoint';
import type { RequestContext } from '../filters/request-context.ts';
import { AppProtocol } from '../updates/compiled-config.ts';

/** Istio's H2UpgradePolicy.UPGRADE. */
const h2UpgradePolicy = 2;

/** True for HTTP/2. */
export const isHttp2Upstream = ({ exchange, record }: RequestContext, backend: Backend | undefined): boolean => {
  const isHttp2Client = exchange.protocol === 'HTTP/2';
  const protocol = backend?.protocol ?? AppProtocol.unknown;
  if (backend?.useClientProtocol === true) return isHttp2Client;
  if (protocol === AppProtocol.http2 || protocol === AppProtocol.grpc) return true;
  if (protocol !== AppProtocol.http11) return isHttp2Client;
  return backend?.h2Policy === h2UpgradePolicy || (isHttp2Client && record.start.isGrpc);
};
