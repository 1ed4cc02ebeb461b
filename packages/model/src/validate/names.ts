// Names of hosts, labels and ports as validation reads them (spec control-plane 10.2). Pure. Hand-written: no expressions over
// user data.

const isLetterOrDigit = (c: string): boolean =>
  (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

/** A DNS label (RFC 1123): at most 63 letters, digits and inner hyphens. */
export function isDnsLabel(text: string): boolean {
  if (text === '' || text.length > 63) return false;
  const first = text.charAt(0);
  const last = text.charAt(text.length - 1);
  return (
    isLetterOrDigit(first) && isLetterOrDigit(last) && Array.from(text).every((c) => isLetterOrDigit(c) || c === '-')
  );
}

/** Why a full host name is none; undefined when it is one. `*` counts as a label only where `isWild`. */
export function problemOfHost(host: string, isWild: boolean): string | undefined {
  if (host === '') return 'empty domain name not allowed';
  if (host.length > 255) return 'domain name exceeds the maximum length of 255 characters';
  const labels = (host.endsWith('.') ? host.slice(0, -1) : host).split('.');
  for (const [index, label] of labels.entries()) {
    const isWildLabel =
      isWild && index === 0 && (label === '*' || (label.startsWith('*') && isDnsLabel(label.slice(1))));
    if (!isWildLabel && !isDnsLabel(label)) return `domain name "${host}" invalid (label "${label}" invalid)`;
  }
  return undefined;
}

/** Why a port number is none. */
export function problemOfPort(port: number): string | undefined {
  return port >= 1 && port <= 65_535 && Number.isInteger(port)
    ? undefined
    : `port number ${port} must be in the range 1..65535`;
}

const KNOWN_PROTOCOLS = new Set([
  'GRPC',
  'GRPC-WEB',
  'HTTP',
  'HTTP2',
  'HTTPS',
  'TCP',
  'TLS',
  'UDP',
  'MONGO',
  'REDIS',
  'MYSQL',
  'HTTP_PROXY',
  'HBONE',
]);

/** True for a protocol that ports may name; the case does not count, and none at all is unset. */
export function isProtocol(text: string): boolean {
  return text === '' || KNOWN_PROTOCOLS.has(text.toUpperCase());
}
