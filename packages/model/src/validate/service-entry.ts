// Rules for ServiceEntries (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { AUTO_ALLOCATE, USE_WAYPOINT } from '../labels.ts';
import { enumText, type Findings, type Json, listOf, mapOf, mapsOf, numberOf, textOf, textsOf } from './json.ts';
import {
  isHttpProtocol,
  isIpAddress,
  isTcpProtocol,
  isTlsProtocol,
  problemOfFqdn,
  problemOfPartialWildcard,
  problemOfPort,
  problemOfPortName,
  problemOfProtocol,
  problemOfSubnet,
  problemOfWildHost,
  problemsOfLabels,
} from './names.ts';
import { checkExportTo, checkOldSelector } from './selection.ts';
import { checkEndpointPorts, checkWorkload } from './workload.ts';

const DYNAMIC_PROTOCOLS = new Set(['http', 'tls', 'grpc', 'http2']);

interface Entry {
  readonly labels: Json;
  readonly resolution: string;
  readonly hosts: readonly string[];
  readonly addresses: readonly string[];
  readonly ports: readonly Json[];
  readonly endpoints: readonly Json[];
  readonly hasSelector: boolean;
  readonly isInternal: boolean;
}

/** Checks a ServiceEntry. */
export function checkServiceEntry(object: Json, findings: Findings): void {
  const metadata = mapOf(object['metadata']);
  const spec = mapOf(object['spec']);
  if (!checkOldSelector(spec['workloadSelector'], 'service entry', findings)) return;
  const entry: Entry = {
    labels: mapOf(metadata['labels']),
    resolution: enumText(spec['resolution'], 'NONE'),
    hosts: textsOf(spec['hosts']),
    addresses: textsOf(spec['addresses']),
    ports: mapsOf(spec['ports']),
    endpoints: mapsOf(spec['endpoints']),
    hasSelector: spec['workloadSelector'] !== undefined,
    isInternal: spec['location'] === 'MESH_INTERNAL',
  };
  if (entry.hasSelector && entry.endpoints.length > 0) {
    findings.error('only one of WorkloadSelector or Endpoints is allowed in Service Entry');
  }
  checkHosts(entry, findings);
  checkAddresses(entry, findings);
  checkPorts(entry, findings);
  checkResolution(entry, findings);
  const isPlain = ({ protocol }: Json): boolean =>
    !isHttpProtocol(textOf(protocol)) && !isTlsProtocol(textOf(protocol));
  if (entry.resolution !== 'NONE' && entry.hosts.length > 1 && entry.ports.some(isPlain)) {
    findings.error('multiple hosts provided with non-HTTP, non-TLS ports');
  }
  checkExportTo(spec['exportTo'], textOf(metadata['namespace']), { isServiceEntry: true }, findings);
}

function checkHosts({ hosts, resolution }: Entry, { error, warn }: Findings): void {
  if (hosts.length === 0) error('service entry must have at least one host');
  for (const host of hosts) {
    if (host === '*') {
      error(`invalid host ${host}`);
      continue;
    }
    const problem = problemOfWildHost(host);
    if (problem !== undefined) error(problem);
    const partial = resolution === 'DYNAMIC_DNS' ? undefined : problemOfPartialWildcard(host);
    if (partial !== undefined) warn(partial);
  }
}

function checkAddresses({ addresses, resolution }: Entry, { error }: Findings): void {
  for (const address of addresses) {
    const problem = problemOfSubnet(address);
    if (problem !== undefined) error(problem);
  }
  if (addresses.some((address) => address.includes('/')) && resolution !== 'NONE' && resolution !== 'STATIC') {
    error('CIDR addresses are allowed only for NONE/STATIC resolution types');
  }
}

function checkPorts({ ports, addresses, resolution, labels }: Entry, { error, warn }: Findings): void {
  const isAllocated = resolution !== 'NONE' && textOf(labels[AUTO_ALLOCATE]).toLowerCase() !== 'false';
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const port of ports) {
    const [name, number, protocol] = [textOf(port['name']), numberOf(port['number']), textOf(port['protocol'])];
    if (names.has(name)) error(`service entry port name ${quoted(name)} already defined`);
    names.add(name);
    if (numbers.has(number)) error(`service entry port ${number} already defined`);
    numbers.add(number);
    const target = numberOf(port['targetPort']);
    const problems = [target === 0 ? undefined : problemOfPort(target)];
    if (addresses.length === 0 && !isAllocated && (protocol === '' || protocol === 'TCP')) {
      warn('addresses are required for ports serving TCP (or unset) protocol when IP Autoallocation is not enabled');
    }
    problems.push(problemOfPortName(name), problemOfProtocol(protocol), problemOfPort(number));
    for (const problem of problems) if (problem !== undefined) error(problem);
  }
}

function checkResolution(entry: Entry, findings: Findings): void {
  const names = new Set(entry.ports.map((port) => textOf(port['name'])));
  switch (entry.resolution) {
    case 'NONE':
      if (entry.endpoints.length > 0) findings.error('no endpoints should be provided for resolution type none');
      if (entry.hasSelector) findings.warn('workloadSelector should not be set when resolution mode is NONE');
      break;
    case 'STATIC':
      for (const endpoint of entry.endpoints) checkWorkload(endpoint, names, findings);
      break;
    case 'DNS':
    case 'DNS_ROUND_ROBIN':
      checkNamed(entry, names, findings);
      break;
    case 'DYNAMIC_DNS':
      checkDynamic(entry, findings);
      break;
    default:
      findings.error('unsupported resolution type ');
  }
}

function checkNamed(entry: Entry, names: ReadonlySet<string>, findings: Findings): void {
  const { resolution, hosts, endpoints } = entry;
  const problem = endpoints.length > 0 ? undefined : hosts.map(problemOfFqdn).find((why) => why !== undefined);
  if (problem !== undefined) {
    findings.error(
      `hosts must be FQDN or contain only prefix wildcards if no endpoints are provided for resolution mode ${resolution}, ${problem}`,
    );
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1) {
    findings.error(`there must only be 0 or 1 endpoint for resolution mode ${resolution}`);
  }
  for (const endpoint of endpoints) {
    const address = textOf(endpoint['address']);
    if (!isIpAddress(address) && problemOfFqdn(address) !== undefined) {
      findings.error(`endpoint address ${quoted(address)} is not a valid FQDN or an IP address`);
    }
    for (const label of problemsOfLabels(mapOf(endpoint['labels']))) findings.error(label);
    checkEndpointPorts(endpoint, names, findings);
  }
  const isTcp = entry.ports.some((port) => isTcpProtocol(textOf(port['protocol'])));
  if (entry.addresses.length > 0 && isTcp && hosts.length > 1) {
    findings.warn('service entry can not have more than one host specified simultaneously with address and tcp port');
  }
}

function checkDynamic(entry: Entry, { error }: Findings): void {
  const { resolution } = entry;
  if (entry.hosts.length === 0) error(`at least one wildcard host must be provided for resolution type ${resolution}`);
  for (const host of entry.hosts) {
    if (!host.startsWith('*')) error(`host must be wildcarded for resolution mode ${resolution}`);
  }
  if (listOf(entry.addresses).length > 0) {
    error(
      `addresses cannot be set for resolution type ${resolution}. HTTP route domains will only be generatedfrom the hosts field values`,
    );
  }
  if (entry.endpoints.length > 0) {
    error(
      `endpoints cannot be set for resolution type ${resolution}. Destination IP address determined from hostsfield values`,
    );
  }
  for (const port of entry.ports) {
    if (DYNAMIC_PROTOCOLS.has(textOf(port['protocol']).toLowerCase())) continue;
    error(`only HTTP, TLS, GRPC, and HTTP2 protocols are supported for resolution type ${resolution}`);
  }
  const waypoint = textOf(entry.labels[USE_WAYPOINT]);
  if (entry.isInternal && waypoint !== '' && waypoint.toLowerCase() !== 'none') {
    error(`location MESH_INTERNAL with resolution type ${resolution} is not supported when using waypoints`);
  }
}
