// Names of hosts, labels, ports and addresses as upstream's validation reads them (spec control-plane 10.2). Hand-written: no
// expressions over user data. `problemOf...` gives upstream's words, undefined when all is well. Pure.
import { quoted } from '../analyze/go-text.ts';
import { protocolOfText } from '../translate/service/protocol.ts';
import { ipBytes, ipPrefix } from '../ip.ts';

const MAX_LABEL = 63;
const MAX_DOMAIN = 255;
const isDigit = (c: string): boolean => c >= '0' && c <= '9';
const isLetterOrDigit = (c: string): boolean => isDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
const every = (text: string, test: (c: string) => boolean): boolean => Array.from(text).every(test);

/** A DNS label (RFC 1123): at most 63 letters, digits and inner hyphens. */
export function isDnsLabel(text: string): boolean {
  if (text === '' || text.length > MAX_LABEL) return false;
  const ends = isLetterOrDigit(text.charAt(0)) && isLetterOrDigit(text.charAt(text.length - 1));
  return ends && every(text, (c) => isLetterOrDigit(c) || c === '-');
}

/** `*`, a DNS label, or a DNS label with `*` or `*-` in front. */
function isWildLabel(text: string): boolean {
  if (text === '*' || text.length > MAX_LABEL) return text === '*';
  if (!text.startsWith('*')) return isDnsLabel(text);
  return isDnsLabel(text.slice(text.startsWith('*-') ? 2 : 1));
}

/** A whole number with an optional sign, as Go's Atoi takes it. */
export function isInteger(text: string): boolean {
  const digits = text.startsWith('-') || text.startsWith('+') ? text.slice(1) : text;
  return digits !== '' && every(digits, isDigit);
}

function problemOfLength(domain: string): string | undefined {
  if (domain.length > MAX_DOMAIN) return `domain name ${quoted(domain)} too long (max 255)`;
  return domain === '' ? 'empty domain name not allowed' : undefined;
}

function problemOfLabels(domain: string): string | undefined {
  const labels = domain.split('.');
  const top = labels.at(-1) ?? '';
  if (isInteger(top)) {
    return `domain name ${quoted(domain)} invalid (top level domain ${quoted(top)} cannot be all-numeric)`;
  }
  for (const [index, label] of labels.entries()) {
    if (index === labels.length - 1 && label === '') return undefined;
    if (!isDnsLabel(label)) return `domain name ${quoted(domain)} invalid (label ${quoted(label)} invalid)`;
  }
  return undefined;
}

/** Why a text is no full host name. */
export function problemOfFqdn(domain: string): string | undefined {
  return problemOfLength(domain) ?? problemOfLabels(domain);
}

/** Why a text is no host name whose first label may be or begin with `*`. */
export function problemOfWildHost(domain: string): string | undefined {
  const length = problemOfLength(domain);
  if (length !== undefined) return length;
  const dot = domain.indexOf('.');
  const first = dot < 0 ? domain : domain.slice(0, dot);
  if (!isWildLabel(first)) return `domain name ${quoted(domain)} invalid (label ${quoted(first)} invalid)`;
  return dot < 0 ? undefined : problemOfLabels(domain.slice(dot + 1));
}

const GENERATED = 'outbound_.<PORT>_._.<HOSTNAME>';

/** As `problemOfWildHost`, with the SNI names that gateways generate among each other. */
export function problemOfGatewayHost(domain: string, isSni: boolean): string | undefined {
  if (!isSni || !domain.startsWith('outbound_')) return problemOfWildHost(domain);
  const length = problemOfLength(domain);
  if (length !== undefined) return length;
  const parts = domain.split('_');
  if (parts.length < 4) return `domain name ${domain} invalid, should follow '${GENERATED}' format`;
  const [port, host] = [trimDots(parts[1] ?? ''), trimDots(parts[3] ?? '')];
  const wrong = (label: string): string =>
    `domain name ${quoted(domain)} invalid (label ${quoted(label)} invalid). should follow ${GENERATED} format`;
  if (!Array.from(port).some(isDigit)) return wrong(port);
  return Array.from(host).some((c) => isLetterOrDigit(c) && !isDigit(c)) ? undefined : wrong(host);
}

function trimDots(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && text.charAt(start) === '.') start++;
  while (end > start && text.charAt(end - 1) === '.') end--;
  return text.slice(start, end);
}

/** Why a wildcard is not one of a whole label. */
export function problemOfPartialWildcard(host: string): string | undefined {
  const isPartial = host.includes('*') && host.length !== 1 && !host.startsWith('*.');
  return isPartial ? `partial wildcard ${quoted(host)} not allowed` : undefined;
}

/** True for an IP address; IPv6 may have a zone. */
export function isIpAddress(text: string): boolean {
  const percent = text.indexOf('%');
  if (percent < 0) return ipBytes(text) !== undefined;
  return text.includes(':') && percent < text.length - 1 && ipBytes(text.slice(0, percent)) !== undefined;
}

/** Why a text is no IP address. */
export function problemOfIp(text: string): string | undefined {
  return isIpAddress(text) ? undefined : `${text} is not a valid IP`;
}

/** Why a text is neither an IP address nor a range of them. */
export function problemOfSubnet(text: string): string | undefined {
  if (text.split('/').length !== 2) return problemOfIp(text);
  return ipPrefix(text) === undefined ? `${text} is not a valid CIDR block` : undefined;
}

/** Why a number is no port. */
export function problemOfPort(port: number): string | undefined {
  return port >= 1 && port <= 65_535 && Number.isInteger(port)
    ? undefined
    : `port number ${port} must be in the range 1..65535`;
}

/** Why a text is no name of a port. */
export function problemOfPortName(name: string): string | undefined {
  return isDnsLabel(name) ? undefined : `invalid port name: ${name}`;
}

/** Why a text is no protocol of a port; none at all is fine. */
export function problemOfProtocol(protocol: string): string | undefined {
  return protocol === '' || isProtocol(protocol) ? undefined : `unsupported protocol: ${protocol}`;
}

/** True for a protocol that ports may name, in any case; dashes are part of the name here. */
export function isProtocol(text: string): boolean {
  const lower = text.toLowerCase();
  return (lower === 'grpc-web' || !lower.includes('-')) && protocolOfText(lower) !== 'unsupported';
}

const HTTP = new Set(['http', 'http2', 'http_proxy', 'grpc', 'grpc-web']);
const TCP = new Set(['tcp', 'https', 'tls', 'mongo', 'redis', 'mysql']);

/** True for protocols on top of HTTP. */
export const isHttpProtocol = (text: string): boolean => HTTP.has(text.toLowerCase());
/** True for protocols that begin with TLS. */
export const isTlsProtocol = (text: string): boolean => ['https', 'tls'].includes(text.toLowerCase());
/** True for protocols that are TCP to the proxy. */
export const isTcpProtocol = (text: string): boolean => TCP.has(text.toLowerCase());

/** Prefix of addresses that are sockets in the file system. */
export const UNIX = 'unix://';

/** Why what follows `unix://` is no socket. */
export function problemOfUnix(path: string): string | undefined {
  if (path === '') return 'unix address must not be empty';
  if (path.startsWith('@')) return undefined;
  return path.startsWith('/') && !path.endsWith('/') ? undefined : `${path} is not an absolute path to a file`;
}

const isNameCharacter = (c: string): boolean => isLetterOrDigit(c) || '-_.'.includes(c);

function isQualified(text: string): boolean {
  return (
    isLetterOrDigit(text.charAt(0)) && isLetterOrDigit(text.charAt(text.length - 1)) && every(text, isNameCharacter)
  );
}

/** Why a map is no set of labels: one text per problem. */
export function problemsOfLabels(labels: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(labels).flatMap(([key, value]) => {
    const problem = problemOfLabelKey(key);
    const text = typeof value === 'string' ? value : '';
    const problems = problem === undefined ? [] : [problem];
    return text === '' || isQualified(text) ? problems : [...problems, `invalid tag value: ${quoted(text)}`];
  });
}

function problemOfLabelKey(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? '' : key.slice(0, slash);
  const name = key.slice(slash + 1);
  const hasPrefix = slash < 0 || prefix.split('.').every((label) => label !== '' && isQualifiedLabel(label));
  if (!hasPrefix || !isQualified(name)) return `invalid tag key: ${quoted(key)}`;
  if (prefix.length > 253) return `invalid tag key: ${quoted(key)} (DNS prefix is too long)`;
  return name.length > MAX_LABEL ? `invalid tag key: ${quoted(key)} (name is too long)` : undefined;
}

/** A label of any length. */
function isQualifiedLabel(text: string): boolean {
  const ends = isLetterOrDigit(text.charAt(0)) && isLetterOrDigit(text.charAt(text.length - 1));
  return ends && every(text, (c) => isLetterOrDigit(c) || c === '-');
}
