// Addresses in flows and access lines: `ip:port`, `[ip]:port`, `name:port`, and `envoy://connect_originate/ip:port` as waypoints write. Pure.

function split(text: string): readonly [host: string, port: string] {
  const address = text.slice(text.lastIndexOf('/') + 1);
  const colon = address.lastIndexOf(':');
  const host = colon < 0 ? address : address.slice(0, colon);
  return [host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host, address.slice(host.length + 1)];
}

/** Address or name, with or without a port behind it. */
export const hostOf = (text: string): string => split(text)[0];

/** Both parts; undefined when there is no host or no port. */
export function hostAndPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const [host, portText] = split(text);
  const port = Number(portText);
  return host === '' || !Number.isInteger(port) || port < 1 || port > 65_535 ? undefined : { host, port };
}
