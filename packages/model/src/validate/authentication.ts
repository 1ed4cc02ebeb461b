// Rules for PeerAuthentications and RequestAuthentications (spec control-plane 10.2). Pure.
import { quoted } from '../analyze/go-text.ts';
import { checkDuration } from './durations.ts';
import { goUrl } from './go-url.ts';
import { problemOfStrictName } from './headers.ts';
import { type Findings, type Json, mapOf, mapsOf, optionalMap, textOf, textsOf } from './json.ts';
import { type KeySet, readKeySet } from './key-set.ts';
import { checkSelector, checkTargeting } from './selection.ts';

/** Checks a PeerAuthentication. */
export function checkPeerAuthentication(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  const ports = optionalMap(spec['portLevelMtls']);
  const numbers = Object.keys(ports ?? {});
  const labels = Object.keys(mapOf(mapOf(spec['selector'])['matchLabels']));
  if (labels.length === 0 && numbers.length > 0) {
    findings.error('mesh/namespace peer authentication cannot have port level mTLS');
  }
  if (ports !== undefined && numbers.length === 0) {
    findings.error('port level mTLS, if defined, must have at least one element');
  }
  for (const port of numbers) {
    if (!(Number(port) >= 1 && Number(port) <= 65_535)) findings.error('port must be in range 1..65535');
  }
  checkSelector(spec['selector'], findings);
}

/** Checks a RequestAuthentication. */
export function checkRequestAuthentication(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings);
  for (const rule of mapsOf(spec['jwtRules'])) checkRule(rule, findings);
}

function checkRule(rule: Json, findings: Findings): void {
  const { error } = findings;
  const [jwksUri, jwks] = [textOf(rule['jwksUri']), textOf(rule['jwks'])];
  for (const audience of textsOf(rule['audiences'])) if (audience === '') error('audience must be non-empty string');
  if (textOf(rule['issuer']) === '' && jwksUri === '') error('issuer or jwksUri must be non-empty string');
  const problem = jwksUri === '' ? undefined : problemOfAddress(jwksUri);
  if (problem !== undefined) error(problem);
  const keys: KeySet = jwks === '' ? { privateKeys: [] } : readKeySet(jwks);
  if ('problem' in keys) error(`jwks parse error: ${keys.problem}`);
  for (const location of mapsOf(rule['fromHeaders'])) {
    if (textOf(location['name']) === '') error('location header name must be non-empty string');
  }
  for (const name of textsOf(rule['fromParams'])) if (name === '') error('location query must be non-empty string');
  for (const name of textsOf(rule['fromCookies'])) if (name === '') error('cookie name must be non-empty string');
  for (const output of mapsOf(rule['outputClaimToHeaders'])) {
    const header = textOf(output['header']);
    if (header === '' || textOf(output['claim']) === '') {
      error('outputClaimToHeaders header and claim value must be non-empty string');
      continue;
    }
    const name = problemOfStrictName(header);
    if (name !== undefined) error(name);
  }
  checkDuration(rule['timeout'], findings);
  for (const index of 'privateKeys' in keys ? keys.privateKeys : []) {
    findings.warn(
      `jwks key at index ${index} contains private key material; only public keys are used for verification`,
    );
  }
}

/** Where keys are fetched: HTTP or HTTPS. */
function problemOfAddress(address: string): string | undefined {
  const url = goUrl(address);
  if (typeof url === 'string') return url;
  const isKnown = url.scheme === 'http' || url.scheme === 'https';
  return isKnown ? undefined : `URI scheme ${quoted(url.scheme)} is not supported`;
}
