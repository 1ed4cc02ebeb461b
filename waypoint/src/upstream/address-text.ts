/** Address of an endpoint as upstream writes it, in logs and under hashes (spec/waypoint.md 7.3). Pure; data thread. */
import { formatIpPort } from '@ambit/state';
import type { UpstreamEndpoint } from './pick.ts';

/** `envoy://connect_originate/<ip>:<port>` for tunnels, else `<ip>:<port>`. */
export const addressText = ({ ip, port, transport }: UpstreamEndpoint): string => {
  const address = formatIpPort(ip, port);
  return transport === 'hbone' ? `envoy://connect_originate/${address}` : address;
};
