// Rules for Sidecars (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { checkDestination } from './destinations.ts';
import { problemsOfScopedHost } from './istio-gateway.ts';
import {
  enumText,
  errorsOnly,
  type Findings,
  type Json,
  mapOf,
  mapsOf,
  numberOf,
  optionalMap,
  textOf,
  textsOf,
} from './json.ts';
import {
  isHttpProtocol,
  isInteger,
  isTlsProtocol,
  problemOfFqdn,
  problemOfIp,
  problemOfPort,
  problemOfPortName,
  problemOfProtocol,
  problemOfUnix,
  UNIX,
} from './names.ts';
import { checkOldSelector } from './selection.ts';
import { checkServerTls } from './server-tls.ts';
import { checkConnectionPool } from './traffic-policy.ts';

const LOCAL = new Set(['', '127.0.0.1', '0.0.0.0', '::1', '::']);
const NO_TARGET_PORT = 'targetPort has no impact on Sidecars';
const UNIQUE = 'sidecar: ports on IP bound listeners must be unique';

/** Checks a Sidecar. */
export function checkSidecar(object: Json, findings: Findings): void {
  const namespace = textOf(mapOf(object['metadata'])['namespace']);
  const spec = mapOf(object['spec']);
  const early: Findings = { error: findings.error, warn: findings.warn };
  const warnings: string[] = [];
  if (!checkOldSelector(spec['workloadSelector'], 'sidecar', { ...early, warn: (m) => void warnings.push(m) })) return;
  const [ingress, egress] = [mapsOf(spec['ingress']), mapsOf(spec['egress'])];
  const isEmpty = ['outboundTrafficPolicy', 'inboundConnectionPool'].every((field) => spec[field] === undefined);
  if (ingress.length + egress.length === 0 && isEmpty) {
    findings.error('sidecar: empty configuration provided');
    return;
  }
  for (const warning of warnings) findings.warn(warning);
  checkIngress(ingress, findings);
  checkConnectionPool(spec['inboundConnectionPool'], errorsOnly(findings));
  checkEgress(egress, namespace, findings);
  checkOutbound(optionalMap(spec['outboundTrafficPolicy']), findings);
}

function checkIngress(listeners: readonly Json[], findings: Findings): void {
  const { error } = findings;
  const ports = new Set<number>();
  for (const listener of listeners) {
    const port = optionalMap(listener['port']);
    if (port === undefined) {
      error('sidecar: port is required for ingress listeners');
      continue;
    }
    if (numberOf(port['targetPort']) > 0) error(NO_TARGET_PORT);
    checkBoundPort(port, textOf(listener['bind']), findings);
    const number = numberOf(port['number']);
    if (ports.has(number)) error(UNIQUE);
    ports.add(number);
    for (const problem of problemsOfEndpoint(textOf(listener['defaultEndpoint']))) error(problem);
    const tls = optionalMap(listener['tls']);
    if (tls !== undefined) checkIngressTls(tls, port, findings);
    checkConnectionPool(listener['connectionPool'], errorsOnly(findings));
    const protocol = textOf(port['protocol']);
    if (optionalMap(mapOf(listener['connectionPool'])['http']) !== undefined && !isHttpProtocol(protocol)) {
      findings.warn(
        `sidecar: HTTP connection pool settings are configured for port ${number} (${quoted(textOf(port['name']))}) but its protocol is not HTTP (${protocol}); only TCP settings will apply`,
      );
    }
  }
}

function checkBoundPort(port: Json, bind: string, { error }: Findings): void {
  const name = textOf(port['name']);
  const problems = [
    name === '' ? undefined : problemOfPortName(name),
    problemOfProtocol(textOf(port['protocol'])),
    problemOfPort(numberOf(port['number'])),
    bind === '' ? undefined : problemOfIp(bind),
  ];
  for (const problem of problems) if (problem !== undefined) error(problem);
}

/** Where the application listens: a socket in the file system, or a port of this host. */
function problemsOfEndpoint(endpoint: string): string[] {
  if (endpoint === '') return [];
  if (endpoint.startsWith(UNIX)) {
    return [problemOfUnix(endpoint.slice(UNIX.length))].filter((problem) => problem !== undefined);
  }
  const problems: string[] = [];
  const split = splitHostPort(endpoint);
  if (typeof split === 'string') problems.push(split);
  const { host, port } = typeof split === 'string' ? { host: '', port: '' } : split;
  if (!LOCAL.has(host)) {
    problems.push(
      'sidecar: defaultEndpoint must be of form 127.0.0.1:<port>,0.0.0.0:<port>,[::1]:port,[::]:port,unix://filepath or unset',
    );
  }
  const problem = isInteger(port)
    ? problemOfPort(Number(port))
    : `sidecar: defaultEndpoint port (${port}) is not a number: strconv.Atoi: parsing ${quoted(port)}: invalid syntax`;
  return problem === undefined ? problems : [...problems, problem];
}

/** `host:port` or `[host]:port`, as Go splits it. */
function splitHostPort(text: string): { readonly host: string; readonly port: string } | string {
  const problem = (why: string): string => `address ${text}: ${why}`;
  const colon = text.lastIndexOf(':');
  if (colon < 0) return problem('missing port in address');
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    if (end < 0) return problem("missing ']' in address");
    if (end + 1 === text.length) return problem('missing port in address');
    if (end + 1 !== colon)
      return problem(text.charAt(end + 1) === ':' ? 'too many colons in address' : 'missing port in address');
    return { host: text.slice(1, end), port: text.slice(colon + 1) };
  }
  const host = text.slice(0, colon);
  return host.includes(':') ? problem('too many colons in address') : { host, port: text.slice(colon + 1) };
}

function checkIngressTls(tls: Json, port: Json, findings: Findings): void {
  const { error } = findings;
  const hasList = (field: string): boolean => textsOf(tls[field]).length > 0;
  if (hasList('subjectAltNames')) error('sidecar: subjectAltNames is not supported in ingress tls');
  if (tls['httpsRedirect'] === true) error('sidecar: httpsRedirect is not supported');
  if (textOf(tls['credentialName']) !== '') error('sidecar: credentialName is not currently supported');
  if (hasList('credentialNames')) error('sidecar: credentialNames is not currently supported');
  if (mapsOf(tls['tlsCertificates']).length > 0) error('sidecar: tls_certificates is not currently supported');
  const { mode } = tls;
  if (mode === 'ISTIO_MUTUAL' || mode === 'AUTO_PASSTHROUGH') {
    error(`configuration is invalid: cannot set mode to ${mode} in sidecar ingress tls`);
  }
  if (!isTlsProtocol(textOf(port['protocol']))) error('server cannot have TLS settings for non HTTPS/TLS ports');
  checkServerTls(tls, findings);
}

function checkEgress(listeners: readonly Json[], namespace: string, findings: Findings): void {
  const { error } = findings;
  const [ports, sockets] = [new Set<number>(), new Set<string>()];
  let hasCatchAll = false;
  for (const [index, listener] of listeners.entries()) {
    const port = optionalMap(listener['port']);
    if (port === undefined) {
      if (hasCatchAll) {
        error('sidecar: egress can have only one listener with empty port');
        continue;
      }
      if (index === listeners.length - 1) hasCatchAll = true;
      else error('sidecar: the egress listener with empty port should be the last listener in the list');
    } else {
      const bind = textOf(listener['bind']);
      checkEgressPort(port, bind, enumText(listener['captureMode'], 'DEFAULT'), findings);
      const number = numberOf(port['number']);
      if (number === 0) {
        if (sockets.has(bind)) error('sidecar: unix domain socket values for listeners must be unique');
        sockets.add(bind);
      } else {
        if (ports.has(number)) error(UNIQUE);
        ports.add(number);
      }
    }
    checkEgressHosts(textsOf(listener['hosts']), namespace, findings);
  }
}

function checkEgressPort(port: Json, bind: string, captureMode: string, findings: Findings): void {
  const { error } = findings;
  if (numberOf(port['targetPort']) > 0) error(NO_TARGET_PORT);
  if (numberOf(port['number']) !== 0) {
    checkBoundPort(port, bind, findings);
    return;
  }
  const name = textOf(port['name']);
  const problems = [
    name === '' ? undefined : problemOfPortName(name),
    problemOfProtocol(textOf(port['protocol'])),
    bind.startsWith(UNIX)
      ? problemOfUnix(bind.slice(UNIX.length))
      : 'sidecar: ports with 0 value must have a unix domain socket bind address',
  ];
  for (const problem of problems) if (problem !== undefined) error(problem);
  if (captureMode !== 'DEFAULT' && captureMode !== 'NONE') {
    error('sidecar: captureMode must be DEFAULT/NONE for unix domain socket listeners');
  }
}

function checkEgressHosts(hosts: readonly string[], namespace: string, { error, warn }: Findings): void {
  if (hosts.length === 0) error('sidecar: egress listener must contain at least one host');
  const scopes = new Map<string, Set<string>>();
  for (const text of hosts) {
    const slash = text.indexOf('/');
    if (slash >= 0 && !text.startsWith('~')) {
      const scope = text.slice(0, slash) === '.' ? namespace : text.slice(0, slash);
      const host = text.slice(slash + 1);
      const known = scopes.get(scope) ?? new Set<string>();
      scopes.set(scope, known);
      const isRepeated = host === '*' ? known.size > 0 : known.has(host) || known.has('*');
      if (isRepeated) warn(`duplicated egress host: ${text}`);
      known.add(host);
    }
    for (const problem of problemsOfScopedHost(text, false)) error(problem);
  }
  if (scopes.get('*')?.has('*') === true && scopes.size !== 1) {
    warn('`*/*` host select all resources, no other hosts can be added');
  }
}

/** Only the mesh configuration knows this mode; its number may still be written here. */
const DYNAMIC_DNS = 2;

function checkOutbound(policy: Json | undefined, findings: Findings): void {
  if (policy === undefined) return;
  const { error } = findings;
  const mode = policy['mode'] ?? 'REGISTRY_ONLY';
  if (mode === DYNAMIC_DNS || mode === 'ALLOW_ANY_DYNAMIC_DNS') {
    error('sidecar: ALLOW_ANY_DYNAMIC_DNS mode is only supported in MeshConfig, not in Sidecar resource');
    return;
  }
  const proxy = optionalMap(policy['egressProxy']);
  if (proxy === undefined) return;
  if (mode !== 'ALLOW_ANY') {
    error('sidecar: egress_proxy must be set only with ALLOW_ANY outbound_traffic_policy mode');
    return;
  }
  const problem = problemOfFqdn(textOf(proxy['host']));
  if (problem !== undefined) error(problem);
  if (optionalMap(proxy['port']) === undefined) error('sidecar: egress_proxy port must be non-nil');
  else checkDestination(proxy, findings);
}
