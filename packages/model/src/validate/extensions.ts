// Rules for WasmPlugins, TrafficExtensions and ProxyConfigs: the mesh passes them on (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { type GoUrl, goUrl } from './go-url.ts';
import { type Findings, type Json, mapOf, mapsOf, numberOf, optionalMap, textOf } from './json.ts';
import { checkSelector, checkTargeting } from './selection.ts';

const SCHEMES = new Set(['', 'file', 'http', 'https', 'oci']);
const MAX_LUA = 65_536;

/** Checks a WasmPlugin. */
export function checkWasmPlugin(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings);
  checkWasm(spec, 255, findings);
  checkTrafficMatch(spec, findings);
}

/** Checks a TrafficExtension. */
export function checkTrafficExtension(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  const [wasm, lua] = [optionalMap(spec['wasm']), optionalMap(spec['lua'])];
  if ((wasm === undefined) === (lua === undefined)) findings.error('exactly one of wasm or lua must be set');
  checkTargeting(spec, findings);
  if (lua !== undefined) {
    const code = textOf(lua['inlineCode']);
    if (code === '') findings.error('lua.inlineCode cannot be empty');
    else if (Buffer.byteLength(code) > MAX_LUA) findings.error('lua.inlineCode exceeds maximum size of 64KB');
  }
  if (wasm !== undefined) checkWasm(wasm, 256, findings);
  checkTrafficMatch(spec, findings);
}

/** Checks a ProxyConfig. */
export function checkProxyConfig(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkSelector(spec['selector'], findings);
  if (numberOf(spec['concurrency']) < 0) findings.error('concurrency must be greater than or equal to 0');
}

/** Where a module comes from and how it is started; `nameLimit` is what the text says, the limit itself is 256. */
function checkWasm(wasm: Json, nameLimit: number, { error }: Findings): void {
  const problems = [
    problemOfSource(textOf(wasm['url'])),
    problemOfSum(textOf(wasm['sha256'])),
    textOf(wasm['imagePullSecret']).length > 253
      ? 'imagePullSecret field must be less than 253 characters long'
      : undefined,
    textOf(wasm['pluginName']).length > 256
      ? `pluginName field must be less than ${nameLimit} characters long`
      : undefined,
    problemOfEnvironment(mapsOf(mapOf(wasm['vmConfig'])['env'])),
  ];
  for (const problem of problems) if (problem !== undefined) error(problem);
}

function problemOfSource(address: string): string | undefined {
  if (address === '') return 'url field needs to be set';
  const url = requestUrl(address);
  if (typeof url !== 'string')
    return SCHEMES.has(url.scheme) ? undefined : `url contains unsupported scheme: ${url.scheme}`;
  // Names of images have no scheme.
  return typeof requestUrl(`http://${address}`) === 'string' ? `failed to parse url: ${url}` : undefined;
}

/** A URL as it stands in a request: absolute, or an absolute path. */
function requestUrl(address: string): GoUrl | string {
  const url = goUrl(address);
  if (typeof url === 'string' || url.scheme !== '' || address.startsWith('/')) return url;
  return `parse ${quoted(address)}: invalid URI for request`;
}

function problemOfSum(sum: string): string | undefined {
  if (sum === '') return undefined;
  if (sum.length !== 64) return 'sha256 field must be 64 characters long';
  const isHex = Array.from(sum).every((c) => (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
  return isHex ? undefined : 'sha256 field must match [a-f0-9]{64} pattern';
}

function problemOfEnvironment(variables: readonly Json[]): string | undefined {
  const names = new Set<string>();
  for (const variable of variables) {
    const name = textOf(variable['name']);
    if (name === '') return 'spec.vmConfig.env invalid';
    if (name.length > 256) return 'env.name field must be less than 255 characters long';
    if (names.has(name)) return 'duplicate env';
    names.add(name);
    if ((variable['valueFrom'] ?? 'INLINE') !== 'INLINE' && textOf(variable['value']) !== '') {
      return 'value may only be set when valueFrom is INLINE';
    }
  }
  return undefined;
}

function checkTrafficMatch(spec: Json, { error }: Findings): void {
  for (const [index, selector] of mapsOf(spec['match']).entries()) {
    for (const [at, port] of mapsOf(selector['ports']).entries()) {
      const number = numberOf(port['number']);
      if (number > 0 && number <= 65_535) continue;
      error(`spec.Match[${index}].Ports[${at}] is out of range: ${number}`);
      return;
    }
  }
}
