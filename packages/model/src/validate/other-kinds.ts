// Rules for kinds that the mesh passes on or does not read itself: Gateway of networking.istio.io, Sidecar, Telemetry, EnvoyFilter,
// WasmPlugin (spec control-plane 10.2). Pure.
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, optionalMap, textOf, textsOf } from './json.ts';
import { isProtocol, problemOfHost, problemOfPort } from './names.ts';
import { checkTargeting } from './selection.ts';

const TLS_PROTOCOLS = new Set(['HTTPS', 'TLS']);
const PATCH_OBJECTS = new Set(['MERGE', 'ADD', 'INSERT_BEFORE', 'INSERT_AFTER', 'INSERT_FIRST', 'REPLACE']);

/** Checks a Gateway of networking.istio.io. */
export function checkIstioGateway(object: Json, findings: Findings): void {
  const servers = mapsOf(mapOf(object['spec'])['servers']);
  if (servers.length === 0) {
    findings.error('gateway must have at least one server');
    return;
  }
  const names = new Set<string>();
  for (const server of servers) {
    const port = optionalMap(server['port']);
    checkServer(server, port, findings);
    const name = textOf(port?.['name']);
    if (name !== '' && names.has(name)) findings.error(`port names in servers must be unique: duplicate name ${name}`);
    names.add(name);
  }
}

function checkServer(server: Json, port: Json | undefined, findings: Findings): void {
  if (listOf(server['hosts']).length === 0) findings.error('server config must contain at least one host');
  for (const host of textsOf(server['hosts'])) {
    const name = host.slice(host.indexOf('/') + 1);
    const problem = name === '*' ? undefined : problemOfHost(name, true);
    if (problem !== undefined) findings.error(problem);
  }
  if (port === undefined) {
    findings.error('port is required');
    return;
  }
  const protocol = textOf(port['protocol']).toUpperCase();
  if (!isProtocol(protocol))
    findings.error(
      `invalid protocol "${textOf(port['protocol'])}", supported protocols are HTTP, HTTP2, GRPC, GRPC-WEB, MONGO, REDIS, MYSQL, TCP`,
    );
  const problem = problemOfPort(numberOf(port['number']));
  if (problem !== undefined) findings.error(problem);
  if (textOf(port['name']) === '') findings.error(`port name must be set: ${textOf(port['name'])}`);
  const tls = optionalMap(server['tls']);
  if (tls === undefined && TLS_PROTOCOLS.has(protocol)) {
    findings.error('server must have TLS settings for HTTPS/TLS protocols');
  }
  if (tls !== undefined && !TLS_PROTOCOLS.has(protocol) && tls['httpsRedirect'] !== true) {
    findings.warn(`tls settings are ignored for protocol ${protocol}`);
  }
}

/** Checks a Sidecar. */
export function checkSidecar(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  for (const egress of mapsOf(spec['egress'])) {
    const hosts = textsOf(egress['hosts']);
    if (hosts.length === 0) findings.error('sidecar: egress listener must contain at least one host');
    for (const host of hosts) {
      const parts = host.split('/');
      if (parts.length !== 2 || parts.includes('')) findings.error('host must be of form namespace/dnsName');
    }
  }
}

/** Checks a Telemetry. */
export function checkTelemetry(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings.error, findings);
  const [tracing, metrics, logs] = [mapsOf(spec['tracing']), mapsOf(spec['metrics']), mapsOf(spec['accessLogging'])];
  if (tracing.length > 1) findings.warn('multiple tracing is not currently supported');
  for (const part of [...tracing, ...metrics, ...logs]) {
    for (const provider of mapsOf(part['providers'])) {
      if (textOf(provider['name']) === '') findings.error('providers.name may not be empty');
    }
  }
  for (const part of tracing) {
    if (listOf(part['providers']).length > 1) findings.warn('multiple providers is not currently supported');
    const share = part['randomSamplingPercentage'];
    if (share !== undefined && !(numberOf(share) >= 0 && numberOf(share) <= 100)) {
      findings.error('randomSamplingPercentage must be in range [0.0, 100.0]');
    }
    for (const [name, value] of Object.entries(mapOf(part['customTags']))) checkTag(name, mapOf(value), findings);
  }
  for (const override of metrics.flatMap((part) => mapsOf(part['overrides']))) {
    const { customMetric } = mapOf(override['match']);
    if (customMetric === '') findings.error('customMetric cannot be empty');
    for (const [name, value] of Object.entries(mapOf(override['tagOverrides']))) {
      const { operation = 'UPSERT', value: text = '' } = mapOf(value);
      if (name === '') findings.error('tagOverrides.name may not be empty');
      if (operation === 'UPSERT' && text === '')
        findings.error('tagOverrides.value must be set when operation is UPSERT');
      if (operation === 'REMOVE' && text !== '')
        findings.error('tagOverrides.value may not be set when operation is REMOVE');
    }
  }
}

function checkTag(name: string, tag: Json, findings: Findings): void {
  if (name === '') findings.error('tag name may not be empty');
  for (const [kind, field] of [
    ['literal', 'value'],
    ['header', 'name'],
    ['environment', 'name'],
  ] as const) {
    const source = optionalMap(tag[kind]);
    if (source !== undefined && textOf(source[field]) === '') findings.error(`${kind} tag ${field} may not be empty`);
  }
}

/** Checks an EnvoyFilter: nothing here applies it, but people keep them in the same folder. */
export function checkEnvoyFilter(object: Json, findings: Findings): void {
  findings.warn(
    'EnvoyFilter exposes internal implementation details that may change at any time. Prefer other APIs if possible, and exercise extreme caution, especially around upgrades.',
  );
  for (const patch of mapsOf(mapOf(object['spec'])['configPatches'])) {
    const body = optionalMap(patch['patch']);
    if (body === undefined) findings.error('Envoy filter: missing patch');
    else if (PATCH_OBJECTS.has(textOf(body['operation'])) && body['value'] === undefined) {
      findings.error('Envoy filter: missing patch value for non-remove operation');
    }
  }
}

/** Checks a WasmPlugin. */
export function checkWasmPlugin(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings.error, findings);
  const { url, sha256 } = spec;
  if (textOf(url) === '') findings.error('url field needs to be set');
  if (typeof sha256 !== 'string' || sha256 === '') return;
  if (sha256.length !== 64) findings.error('sha256 field must be 64 characters long');
  else if (!Array.from(sha256).every((c) => (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
    findings.error('sha256 field must match [a-f0-9]{64} pattern');
  }
}
