// Values of annotations that the injector reads (IST0125): what makes them unreadable, in the words of upstream. Pure.
import { parse } from 'yaml';
import { ipBytes, ipPrefix } from '../../ip.ts';
import { goBoolean } from '../../labels.ts';
import { quoted } from '../go-text.ts';

type Check = (value: string) => string | undefined;

const isDigits = (text: string): boolean => text !== '' && Array.from(text).every((c) => c >= '0' && c <= '9');

/** Why Go's ParseUint refuses a text for this many bits. */
function problemOfNumber(text: string, bits: number): string | undefined {
  const prefix = `strconv.ParseUint: parsing ${quoted(text)}: `;
  if (!isDigits(text)) return `${prefix}invalid syntax`;
  return BigInt(text) < 1n << BigInt(bits) ? undefined : `${prefix}value out of range`;
}

function problemOfPort(text: string): string | undefined {
  const problem = problemOfNumber(text.trim(), 16);
  return problem === undefined ? undefined : `failed parsing port '${text}': ${problem}`;
}

const portList =
  (name: string): Check =>
  (value) => {
    const list = value.trim();
    for (const port of list === '' ? [] : list.split(',')) {
      const problem = problemOfPort(port);
      if (problem !== undefined) return `${name} invalid: failed parsing port '${port}': ${problem}`;
    }
    return undefined;
  };

const rangeList =
  (name: string): Check =>
  (value) => {
    for (const range of value === '' ? [] : value.split(',')) {
      const problem = problemOfRange(range);
      if (problem !== undefined) return `${name} invalid: failed parsing cidr '${range}': ${problem}`;
    }
    return undefined;
  };

function problemOfRange(text: string): string | undefined {
  const prefix = `netip.ParsePrefix(${quoted(text)}): `;
  const slash = text.lastIndexOf('/');
  if (slash < 0) return `${prefix}no '/'`;
  if (ipPrefix(text) !== undefined) return undefined;
  if (ipBytes(text.slice(0, slash)) === undefined)
    return `${prefix}ParseAddr(${quoted(text.slice(0, slash))}): unable to parse IP`;
  const bits = text.slice(slash + 1);
  return isDigits(bits) ? `${prefix}prefix length out of range` : `${prefix}bad bits after slash: ${quoted(bits)}`;
}

const everything =
  (check: Check): Check =>
  (value) =>
    value === '*' ? undefined : check(value);

const interfaces: Check = (value) => {
  for (const part of value === '' ? [] : value.split(',')) {
    const name = part.trim();
    if (name === '') return 'empty interface name';
    if (name.length > 15) return `interface name ${quoted(name)} too long (max 15 chars)`;
    const isLetter = (c: string): boolean => (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const isPlain = Array.from(name).every((c) => isLetter(c) || (c >= '0' && c <= '9') || '_.-'.includes(c));
    if (!isLetter(name.charAt(0)) || !isPlain) return `interface name ${quoted(name)} contains invalid characters`;
  }
  return undefined;
};

const uint32: Check = (value) => problemOfNumber(value, 32);

const SUFFIXES = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'P', 'E', ''];

/** A quantity of Kubernetes: a signed decimal with an SI or binary suffix or an exponent. */
const quantity: Check = (value) => {
  if (Array.from(value).some((c) => c < ' ' || (c >= '\x7f' && c <= '\x9f')))
    return 'value contains control characters';
  const unsigned = value.startsWith('-') || value.startsWith('+') ? value.slice(1) : value;
  let end = Array.from(unsigned).findIndex((c) => !(c >= '0' && c <= '9') && c !== '.');
  if (end < 0) end = unsigned.length;
  const [number, suffix] = [unsigned.slice(0, end), unsigned.slice(end)];
  const isNumber = number.split('.').length <= 2 && isDigits(number.split('.').join(''));
  const exponent =
    suffix.slice(1).startsWith('-') || suffix.slice(1).startsWith('+') ? suffix.slice(2) : suffix.slice(1);
  const isExponent = (suffix.startsWith('e') || suffix.startsWith('E')) && isDigits(exponent);
  if (value === '') return "unable to parse quantity's suffix";
  if (isNumber && (SUFFIXES.includes(suffix) || isExponent)) return undefined;
  return isNumber
    ? "unable to parse quantity's suffix"
    : "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
};

const proxyConfig: Check = (value) => {
  try {
    const config: unknown = parse(value);
    if (config === null || (typeof config === 'object' && !Array.isArray(config))) return undefined;
    return 'failed to convert to apply proxy config: not an object';
  } catch {
    return 'failed to convert to apply proxy config: not yaml';
  }
};

const CHECKS: Readonly<Record<string, Check>> = {
  'sidecar.istio.io/interceptionMode': (value) =>
    ['REDIRECT', 'TPROXY', 'NONE'].includes(value)
      ? undefined
      : `interceptionMode invalid, use REDIRECT,TPROXY,NONE: ${value}`,
  'status.sidecar.istio.io/port': (value) => {
    const problem = problemOfPort(value);
    return problem === undefined ? undefined : `excludeInboundPorts invalid: ${problem}`;
  },
  'readiness.status.sidecar.istio.io/initialDelaySeconds': uint32,
  'readiness.status.sidecar.istio.io/periodSeconds': uint32,
  'readiness.status.sidecar.istio.io/failureThreshold': uint32,
  'traffic.sidecar.istio.io/includeOutboundIPRanges': everything(rangeList('includeIPRanges')),
  'traffic.sidecar.istio.io/excludeOutboundIPRanges': rangeList('excludeIPRanges'),
  'traffic.sidecar.istio.io/includeInboundPorts': everything(portList('includeInboundPorts')),
  'traffic.sidecar.istio.io/excludeInboundPorts': portList('excludeInboundPorts'),
  'traffic.sidecar.istio.io/excludeOutboundPorts': portList('excludeOutboundPorts'),
  'traffic.sidecar.istio.io/excludeInterfaces': interfaces,
  'traffic.sidecar.istio.io/kubevirtInterfaces': interfaces,
  'istio.io/reroute-virtual-interfaces': interfaces,
  'prometheus.istio.io/merge-metrics': (value) =>
    goBoolean(value) === undefined ? `strconv.ParseBool: parsing ${quoted(value)}: invalid syntax` : undefined,
  'proxy.istio.io/config': proxyConfig,
  'sidecar.istio.io/proxyCPU': quantity,
  'sidecar.istio.io/proxyMemory': quantity,
  'sidecar.istio.io/proxyCPULimit': quantity,
  'sidecar.istio.io/proxyMemoryLimit': quantity,
};

/** Why the value of an annotation cannot be used; undefined when it can, or when nobody reads it here. */
export function problemOfAnnotation(name: string, value: string): string | undefined {
  return Object.hasOwn(CHECKS, name) ? CHECKS[name]?.(value) : undefined;
}
