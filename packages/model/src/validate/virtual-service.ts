// Rules for VirtualServices (spec control-plane 10.2). Pure.
import { hostsOverlap } from '../analyze/hosts.ts';
import { quoted } from '../analyze/go-text.ts';
import { checkDestination, checkGatewayNames, checkTotal, checkWeight } from './destinations.ts';
import { checkHttpRoute } from './http-route.ts';
import { errorsOnly, type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import {
  isIpAddress,
  problemOfGatewayHost,
  problemOfPort,
  problemOfSubnet,
  problemOfWildHost,
  problemsOfLabels,
} from './names.ts';
import { isRoutingClaim } from './routing-claim.ts';
import { checkExportTo } from './selection.ts';
import { warnAboutUnreachable } from './unreachable-rules.ts';

const MESH = 'mesh';

/** Checks a VirtualService. */
export function checkVirtualService(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  const [hosts, gateways] = [textsOf(spec['hosts']), textsOf(spec['gateways'])];
  const [http, tls, tcp] = [mapsOf(spec['http']), mapsOf(spec['tls']), mapsOf(spec['tcp'])];
  if (hosts.length === 0) checkDelegate(gateways, tls, tcp, findings);
  checkGatewayNames(gateways, findings);
  const isForGateway = gateways.length > 0 && !gateways.includes(MESH);
  if (!isForGateway) checkClaims(http, gateways, findings);
  checkHosts(hosts, isForGateway, hasSni(tls), findings);
  if (http.length + tls.length + tcp.length === 0) {
    findings.error('http, tcp or tls must be provided in virtual service');
  }
  for (const route of http) checkHttpRoute(route, hosts.length === 0, findings);
  for (const route of tls) checkTlsRoute(route, hosts, gateways, findings);
  for (const route of tcp) checkTcpRoute(route, findings);
  checkExportTo(spec['exportTo'], textOf(mapOf(object['metadata'])['namespace']), {}, findings);
  warnAboutUnreachable(http, findings);
  warnAboutUnreachable(tcp, findings);
  warnAboutUnreachable(tls, findings);
}

function checkDelegate(
  gateways: readonly string[],
  tls: readonly Json[],
  tcp: readonly Json[],
  { error }: Findings,
): void {
  if (gateways.length > 0) error('delegate virtual service must have no gateways specified');
  if (tls.length > 0) error('delegate virtual service must have no tls route specified');
  if (tcp.length > 0) error('delegate virtual service must have no tcp route specified');
}

function checkClaims(http: readonly Json[], gateways: readonly string[], { error }: Findings): void {
  for (const match of http.flatMap((route) => mapsOf(route['match']))) {
    for (const key of [...Object.keys(mapOf(match['headers'])), ...Object.keys(mapOf(match['withoutHeaders']))]) {
      if (!isRoutingClaim(key)) continue;
      error(
        `JWT claim based routing (key: ${key}) is only supported for gateway, found no gateways: [${gateways.join(' ')}]`,
      );
    }
  }
}

const hasSni = (tls: readonly Json[]): boolean =>
  tls.some((route) => mapsOf(route['match']).some((match) => textsOf(match['sniHosts']).length > 0));

function checkHosts(hosts: readonly string[], isForGateway: boolean, isSni: boolean, { error }: Findings): void {
  let areValid = true;
  const refuse = (message: string): void => {
    areValid = false;
    error(message);
  };
  for (const host of hosts) {
    const problem = isForGateway ? problemOfGatewayHost(host, isSni) : problemOfWildHost(host);
    if (problem !== undefined) {
      if (!isIpAddress(host)) refuse(problem);
    } else if (!isForGateway && host === '*') {
      refuse('wildcard host * is not allowed for virtual services bound to the mesh gateway');
    }
  }
  if (!areValid) return;
  for (const [index, host] of hosts.entries()) {
    for (const other of hosts.slice(index + 1)) {
      if (hostsOverlap(host, other)) error(`duplicate hosts in virtual service: ${host} & ${other}`);
    }
  }
}

function checkTlsRoute(route: Json, hosts: readonly string[], gateways: readonly string[], findings: Findings): void {
  const matches = mapsOf(route['match']);
  if (matches.length === 0) findings.error('TLS route must have at least one match condition');
  for (const match of matches) {
    const names = textsOf(match['sniHosts']);
    if (names.length === 0) findings.error('TLS match must have at least one SNI host');
    for (const name of names) checkSniHost(name, hosts, gateways, findings);
    checkStreamMatch(match, findings, findings);
  }
  if (mapsOf(route['route']).length === 0) findings.error('TLS route is required');
  checkDestinations(route, findings);
}

function checkSniHost(
  name: string,
  hosts: readonly string[],
  gateways: readonly string[],
  { error, warn }: Findings,
): void {
  const problem = gateways.includes(MESH) ? problemOfWildHost(name) : problemOfGatewayHost(name, true);
  if (problem !== undefined) {
    if (isIpAddress(name)) {
      warn(`using an IP address (${quoted(name)}) goes against SNI spec and most clients do not support this`);
    } else error(problem);
    return;
  }
  if (hosts.some((host) => isSubsetOf(name, host))) return;
  error(
    `SNI host ${quoted(name)} is not a compatible subset of any of the virtual service hosts: [${hosts.join(', ')}]`,
  );
}

/** True when everything that `name` stands for is covered by `host`. */
function isSubsetOf(name: string, host: string): boolean {
  if (!host.startsWith('*')) return name === host;
  if (!name.startsWith('*')) return name.endsWith(host.slice(1));
  return name.length >= host.length && name.slice(1).endsWith(host.slice(1));
}

function checkTcpRoute(route: Json, findings: Findings): void {
  for (const match of mapsOf(route['match'])) checkStreamMatch(match, findings, errorsOnly(findings));
  if (mapsOf(route['route']).length === 0) findings.error('TCP route is required');
  checkDestinations(route, findings);
}

/** What TCP and TLS matches have in common. */
function checkStreamMatch(match: Json, { error }: Findings, ofGateways: Findings): void {
  const port = numberOf(match['port']);
  const problems = textsOf(match['destinationSubnets']).map(problemOfSubnet);
  if (port !== 0) problems.push(problemOfPort(port));
  problems.push(...problemsOfLabels(mapOf(match['sourceLabels'])));
  for (const problem of problems) if (problem !== undefined) error(problem);
  checkGatewayNames(textsOf(match['gateways']), ofGateways);
}

/** Destinations of a route with their weights. */
function checkDestinations(route: Json, findings: Findings): void {
  const entries = mapsOf(route['route']);
  for (const entry of entries) {
    if (optionalMap(entry['destination']) === undefined) findings.error('destination is required');
    checkDestination(entry['destination'], findings);
    checkWeight(entry, findings);
  }
  checkTotal(entries, findings);
}
