// Rules for Gateways of networking.istio.io and their servers' TLS (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import {
  isDnsLabel,
  isHttpProtocol,
  isIpAddress,
  isProtocol,
  isTlsProtocol,
  problemOfIp,
  problemOfPartialWildcard,
  problemOfPort,
  problemOfUnix,
  problemOfWildHost,
  UNIX,
} from './names.ts';
import { checkServerTls } from './server-tls.ts';

/** Checks a Gateway. */
export function checkIstioGateway(object: Json, findings: Findings): void {
  const name = textOf(mapOf(object['metadata'])['name']);
  if (!isDnsLabel(name)) findings.error(`invalid gateway name: ${quoted(name)}`);
  const servers = mapsOf(mapOf(object['spec'])['servers']);
  if (servers.length === 0) findings.error('gateway must have at least one server');
  for (const server of servers) checkServer(server, findings);
  const names = new Set<string>();
  for (const server of servers) {
    const port = optionalMap(server['port']);
    if (port === undefined) continue;
    const own = textOf(port['name']);
    if (names.has(own)) findings.error(`port names in servers must be unique: duplicate name ${own}`);
    names.add(own);
    if (!isHttpProtocol(textOf(port['protocol'])) && mapOf(server['tls'])['httpsRedirect'] === true) {
      findings.warn('tls.httpsRedirect should only be used with http servers');
    }
  }
}

function checkServer(server: Json, findings: Findings): void {
  const { error } = findings;
  const hosts = textsOf(server['hosts']);
  if (hosts.length === 0) error('server config must contain at least one host');
  for (const host of hosts) for (const problem of problemsOfScopedHost(host, true)) error(problem);
  const port = optionalMap(server['port']);
  const bind = textOf(server['bind']);
  const problems = problemsOfPort(port, bind);
  for (const problem of [...problems, ...problemsOfBind(port, bind)]) error(problem);
  const tls = optionalMap(server['tls']);
  if (tls !== undefined) checkServerTls(tls, findings);
  // With a wrong port nobody knows what TLS should be.
  if (problems.length > 0 || port === undefined) return;
  const protocol = textOf(port['protocol']);
  if (isTlsProtocol(protocol)) {
    if (tls === undefined) error('server must have TLS settings for HTTPS/TLS protocols');
  } else if (tls !== undefined) {
    if (!isHttpProtocol(protocol)) error('server cannot have TLS settings for non HTTPS/TLS ports');
    else if (!isRedirectOnly(tls)) error('server cannot have TLS settings for plain text HTTP ports');
  }
}

/** PASSTHROUGH is the default mode: without certificates such settings only redirect. */
function isRedirectOnly(tls: Json): boolean {
  const mode = tls['mode'] ?? 'PASSTHROUGH';
  const files = ['caCertificates', 'privateKey', 'serverCertificate'].map((field) => textOf(tls[field]));
  return (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') && files.every((file) => file === '');
}

function problemsOfPort(port: Json | undefined, bind: string): string[] {
  if (port === undefined) return ['port is required'];
  const [number, protocol, name] = [numberOf(port['number']), textOf(port['protocol']), textOf(port['name'])];
  const problems: (string | undefined)[] = [];
  if (!isProtocol(protocol)) {
    problems.push(
      `invalid protocol ${quoted(protocol)}, supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP`,
    );
  }
  if (number > 0 || !bind.startsWith(UNIX)) problems.push(problemOfPort(number));
  if (numberOf(port['targetPort']) > 0) problems.push('targetPort has no impact on Gateways');
  if (name === '') problems.push(`port name must be set: ${portText(port)}`);
  return problems.filter((problem) => problem !== undefined);
}

/** The port as upstream prints the message. */
function portText(port: Json): string {
  const parts = [
    numberOf(port['number']) === 0 ? '' : `number:${numberOf(port['number'])}`,
    textOf(port['protocol']) === '' ? '' : `protocol:${quoted(textOf(port['protocol']))}`,
    textOf(port['name']) === '' ? '' : `name:${quoted(textOf(port['name']))}`,
    numberOf(port['targetPort']) === 0 ? '' : `target_port:${numberOf(port['targetPort'])}`,
  ];
  return parts.filter((part) => part !== '').join(' ');
}

function problemsOfBind(port: Json | undefined, bind: string): string[] {
  if (bind === '') return [];
  if (!bind.startsWith(UNIX)) return [problemOfIp(bind)].filter((problem) => problem !== undefined);
  const problems = [problemOfUnix(bind.slice(UNIX.length))];
  if (port !== undefined && numberOf(port['number']) !== 0) {
    problems.push(`port number must be 0 for unix domain socket: ${portText(port)}`);
  }
  return problems.filter((problem) => problem !== undefined);
}

/** Hosts of Gateways and Sidecars: `namespace/host`, in Gateways the host alone, too. */
export function problemsOfScopedHost(text: string, isGateway: boolean): string[] {
  const slash = text.indexOf('/');
  if (slash < 0) {
    return isGateway ? problemsOfHostPart(text, true) : ['host must be of form namespace/dnsName'];
  }
  const [scope, host] = [text.slice(0, slash), text.slice(slash + 1)];
  const problems: string[] = [];
  if (scope === '' || host === '') problems.push('config namespace and dnsName in host entry cannot be empty');
  const namespace = !isGateway && scope.startsWith('~') ? scope.slice(1) : scope;
  const isOpen = namespace === '*' || namespace === '.' || (namespace === '' && !isGateway);
  if (!isOpen && !isDnsLabel(namespace)) {
    problems.push(`invalid namespace value ${quoted(scope)} in ${isGateway ? 'gateway' : 'sidecar'}`);
  }
  return [...problems, ...problemsOfHostPart(host, isGateway)];
}

function problemsOfHostPart(host: string, isGateway: boolean): string[] {
  const problems = host !== '*' && !host.includes('.') ? ['short names (non FQDN) are not allowed'] : [];
  const problem = problemOfWildHost(host);
  if (problem !== undefined) {
    // Gateways may serve addresses; Sidecars hear of the problem twice.
    if (!isGateway) problems.push(problem);
    if (!isIpAddress(host)) problems.push(problem);
  }
  const partial = problemOfPartialWildcard(host);
  return partial === undefined ? problems : [...problems, partial];
}
