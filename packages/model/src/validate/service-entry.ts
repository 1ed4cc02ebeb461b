// Rules for ServiceEntries, WorkloadEntries and WorkloadGroups (spec control-plane 10.2). Pure.
import { ipBytes, ipPrefix } from '../ip.ts';
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import { isDnsLabel, isProtocol, problemOfHost, problemOfPort } from './names.ts';
import { checkExportTo } from './selection.ts';

const DYNAMIC_PROTOCOLS = new Set(['HTTP', 'TLS', 'GRPC', 'HTTP2']);
const HTTP_PROTOCOLS = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTP_PROXY']);
const TLS_PROTOCOLS = new Set(['TLS', 'HTTPS']);
const UNIX = 'unix://';
const protocolOf = (port: Json): string => textOf(port['protocol']).toUpperCase();

/** Checks a ServiceEntry. */
export function checkServiceEntry(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  const resolution = textOf(spec['resolution']) || 'NONE';
  const hosts = textsOf(spec['hosts']);
  const ports = mapsOf(spec['ports']);
  if (hosts.length === 0) findings.error('service entry must have at least one host');
  for (const host of hosts) checkEntryHost(host, resolution, findings);
  if (spec['workloadSelector'] !== undefined && listOf(spec['endpoints']).length > 0) {
    findings.error('only one of WorkloadSelector or Endpoints is allowed in Service Entry');
  }
  checkAddresses(textsOf(spec['addresses']), resolution, findings);
  checkPorts(ports, findings);
  checkEndpoints(spec, resolution, hosts, ports, findings);
  if (resolution === 'DYNAMIC_DNS') checkDynamic(spec, metadata, hosts, ports, findings);
  const isPlain = (port: Json): boolean =>
    !HTTP_PROTOCOLS.has(protocolOf(port)) && !TLS_PROTOCOLS.has(protocolOf(port));
  checkExportTo(spec['exportTo'], textOf(metadata['namespace']), true, findings);
  if (hosts.length > 1 && resolution !== 'NONE' && resolution !== 'DYNAMIC_DNS' && ports.some(isPlain)) {
    findings.error('multiple hosts provided with non-HTTP, non-TLS ports');
    return;
  }
  const isTcp = (port: Json): boolean => ['TCP', ''].includes(protocolOf(port));
  if (listOf(spec['addresses']).length === 0 && resolution !== 'DYNAMIC_DNS' && ports.some(isTcp)) {
    findings.warn(
      'addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled',
    );
  }
}

function checkEntryHost(host: string, resolution: string, findings: Findings): void {
  if (host === '*') {
    findings.error(`invalid host ${host}`);
    return;
  }
  const problem = problemOfHost(host, true);
  if (problem !== undefined) findings.error(problem);
  else if (host.startsWith('*') && !host.startsWith('*.') && resolution !== 'DYNAMIC_DNS') {
    findings.warn(`partial wildcard "${host}" may be used, but will only apply in sidecars`);
  }
}

function checkAddresses(addresses: readonly string[], resolution: string, findings: Findings): void {
  for (const text of addresses) {
    if (text.includes('/') && resolution !== 'NONE' && resolution !== 'STATIC') {
      findings.error('CIDR addresses are allowed only for NONE/STATIC resolution types');
    }
    if (ipPrefix(text) === undefined) findings.error(`${text} is not a valid IP`);
  }
}

function checkPorts(ports: readonly Json[], findings: Findings): void {
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const port of ports) {
    const [name, number] = [textOf(port['name']), numberOf(port['number'])];
    if (names.has(name)) findings.error(`service entry port name "${name}" already defined`);
    names.add(name);
    if (numbers.has(number)) findings.error(`service entry port ${number} already defined`);
    numbers.add(number);
    if (!isDnsLabel(name)) findings.error(`invalid port name: ${name}`);
    if (!isProtocol(textOf(port['protocol']))) findings.error(`unsupported protocol: ${textOf(port['protocol'])}`);
    const target = port['targetPort'] === undefined ? undefined : problemOfPort(numberOf(port['targetPort']));
    for (const problem of [problemOfPort(number), target]) if (problem !== undefined) findings.error(problem);
  }
}

function checkEndpoints(
  spec: Json,
  resolution: string,
  hosts: readonly string[],
  ports: readonly Json[],
  findings: Findings,
): void {
  const endpoints = mapsOf(spec['endpoints']);
  const names = new Set(ports.map((port) => textOf(port['name'])));
  const checkNames = (endpoint: Json): void => {
    for (const [name, number] of Object.entries(mapOf(endpoint['ports']))) {
      if (!names.has(name)) findings.error(`endpoint port ${numberOf(number)} is not defined by the service entry`);
    }
  };
  switch (resolution) {
    case 'NONE':
      if (endpoints.length > 0) findings.error('no endpoints should be provided for resolution type none');
      if (spec['workloadSelector'] !== undefined)
        findings.warn('workloadSelector should not be set when resolution mode is NONE');
      break;
    case 'STATIC':
      for (const endpoint of endpoints) {
        const address = textOf(endpoint['address']);
        if (address.startsWith(UNIX)) {
          if (Object.keys(mapOf(endpoint['ports'])).length > 0)
            findings.error(`unix endpoint ${address} must not include ports`);
          if (ports.length !== 1) findings.error('exactly 1 service port required for unix endpoints');
          continue;
        }
        if (ipBytes(address) === undefined) findings.error(`endpoint address "${address}" is not a valid IP address`);
        checkNames(endpoint);
      }
      break;
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      checkNamed(spec, resolution, hosts, endpoints, findings);
      for (const endpoint of endpoints) checkNames(endpoint);
      break;
    default:
  }
}

function checkNamed(
  spec: Json,
  resolution: string,
  hosts: readonly string[],
  endpoints: readonly Json[],
  findings: Findings,
): void {
  if (endpoints.length === 0 && spec['workloadSelector'] === undefined) {
    for (const host of hosts) {
      const problem = problemOfHost(host, false);
      if (problem !== undefined) {
        findings.error(
          `hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode ${resolution}, ${problem}`,
        );
      }
    }
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    findings.error('there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN');
  }
  for (const endpoint of endpoints) {
    const address = textOf(endpoint['address']);
    if (ipBytes(address) === undefined && problemOfHost(address, false) !== undefined) {
      findings.error(`endpoint address "${address}" is not a valid FQDN or an IP address`);
    }
  }
}

function checkDynamic(
  spec: Json,
  metadata: Json,
  hosts: readonly string[],
  ports: readonly Json[],
  findings: Findings,
): void {
  const mode = 'resolution mode DYNAMIC_DNS';
  if (hosts.some((host) => !host.startsWith('*'))) findings.error(`host must be wildcarded for ${mode}`);
  if (listOf(spec['addresses']).length > 0)
    findings.error('no addresses should be provided for resolution type DYNAMIC_DNS');
  if (listOf(spec['endpoints']).length > 0)
    findings.error('no endpoints should be provided for resolution type DYNAMIC_DNS');
  if (ports.some((port) => !DYNAMIC_PROTOCOLS.has(protocolOf(port)))) {
    findings.error('only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type DYNAMIC_DNS');
  }
  const waypoint = mapOf(metadata['labels'])['istio.io/use-waypoint'];
  if (waypoint !== undefined && textOf(spec['location']) === 'MESH_INTERNAL') {
    findings.error(`location must be MESH_EXTERNAL for ${mode} when a waypoint is used`);
  }
}

/** Checks a WorkloadEntry. */
export function checkWorkloadEntry(object: Json, findings: Findings): void {
  checkWorkload(mapOf(object['spec']), true, findings);
}

function checkWorkload(spec: Json, needsAddress: boolean, findings: Findings): void {
  const address = textOf(spec['address']);
  const network = textOf(spec['network']);
  const ports = Object.entries(mapOf(spec['ports']));
  if (address === '') {
    if (network === '' && needsAddress) findings.error('address must be set');
    else if (needsAddress) findings.warn(`address is unset with network "${network}"`);
  } else if (address.startsWith(UNIX)) {
    if (ports.length > 0) findings.error(`unix endpoint ${address} must not include ports`);
  } else if (ipBytes(address) === undefined && problemOfHost(address, false) !== undefined) {
    findings.error(`endpoint address "${address}" is not a valid FQDN or an IP address`);
  }
  for (const [name, port] of ports) {
    if (!isDnsLabel(name)) findings.error(`invalid port name: ${name}`);
    const problem = problemOfPort(numberOf(port));
    if (problem !== undefined) findings.error(problem);
  }
}

/** Checks a WorkloadGroup. */
export function checkWorkloadGroup(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  const template = optionalMap(spec['template']);
  if (template === undefined) {
    findings.error('template is required');
    return;
  }
  checkWorkload(template, false, findings);
  const probe = optionalMap(spec['probe']);
  if (probe === undefined) return;
  const methods = ['httpGet', 'tcpSocket', 'exec', 'grpc'].filter((method) => probe[method] !== undefined);
  if (methods.length === 0) findings.error('health check method not specified');
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    if (numberOf(probe[field]) < 0) findings.error(`${field} must be non-negative`);
  }
  for (const method of methods) {
    const settings = mapOf(probe[method]);
    if (method === 'exec') {
      if (listOf(settings['command']).length === 0) findings.error('exec must have a command');
      continue;
    }
    const problem = problemOfPort(numberOf(settings['port']));
    if (problem !== undefined) findings.error(problem);
    const scheme = textOf(settings['scheme']);
    if (method === 'httpGet' && scheme !== '' && scheme !== 'HTTP' && scheme !== 'HTTPS') {
      findings.error(`httpGet.scheme must be one of "http", "https"`);
    }
  }
}
