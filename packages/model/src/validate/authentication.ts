// Rules for PeerAuthentications and RequestAuthentications (spec control-plane 10.2). Pure.
import { goDurationMs } from '../translate/waypoint-config/duration.ts';
import { type Findings, type Json, mapOf, mapsOf, optionalMap, textOf, textsOf } from './json.ts';
import { checkSelector, checkTargeting } from './selection.ts';

/** Checks a PeerAuthentication. */
export function checkPeerAuthentication(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkSelector(spec['selector'], findings.error, findings);
  const ports = optionalMap(spec['portLevelMtls']);
  if (ports === undefined) return;
  if (Object.keys(mapOf(mapOf(spec['selector'])['matchLabels'])).length === 0) {
    findings.error('mesh/namespace peer authentication cannot have port level mTLS');
  }
  if (Object.keys(ports).length === 0) findings.error('port level mTLS, if defined, must have at least one element');
  for (const port of Object.keys(ports)) {
    if (!(Number(port) >= 1 && Number(port) <= 65_535)) findings.error('port must be in range 1..65535');
  }
}

/** Checks a RequestAuthentication. */
export function checkRequestAuthentication(object: Json, findings: Findings): void {
  const spec = mapOf(object['spec']);
  checkTargeting(spec, findings.error, findings);
  for (const rule of mapsOf(spec['jwtRules'])) checkRule(rule, findings);
}

function checkRule(rule: Json, findings: Findings): void {
  const [issuer, jwksUri, jwks] = [textOf(rule['issuer']), textOf(rule['jwksUri']), textOf(rule['jwks'])];
  if (issuer === '' && jwksUri === '') findings.error('issuer and jwksUri cannot both be empty');
  if (textsOf(rule['audiences']).includes('')) findings.error('audience must be non-empty string');
  if (jwksUri !== '') {
    const scheme = jwksUri.slice(0, Math.max(jwksUri.indexOf(':'), 0));
    if (scheme !== 'http' && scheme !== 'https') findings.error(`URI scheme "${scheme}" is not supported`);
    else if (URL.parse(jwksUri) === null) findings.error(`URI "${jwksUri}" cannot be read`);
  }
  if (jwks !== '') checkKeySet(jwks, findings);
  for (const location of mapsOf(rule['fromHeaders'])) {
    if (textOf(location['name']) === '') findings.error('location header name must be non-empty string');
  }
  if (textsOf(rule['fromParams']).includes('')) findings.error('location query must be non-empty string');
  if (textsOf(rule['fromCookies']).includes('')) findings.error('cookie name must be non-empty string');
  for (const output of mapsOf(rule['outputClaimToHeaders'])) {
    const [header, claim] = [textOf(output['header']), textOf(output['claim'])];
    if (header === '' || claim === '')
      findings.error('outputClaimToHeaders header and claim value must be non-empty string');
    else if (!isHeaderName(header)) findings.error(`header name ${header} is not a valid header name`);
  }
  const timeout = rule['timeout'];
  if (timeout !== undefined && (goDurationMs(textOf(timeout)) ?? 0) <= 0) {
    findings.error('duration must be greater than 1ms');
  }
}

const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'];

function checkKeySet(text: string, findings: Findings): void {
  let keys: Json[];
  try {
    keys = mapsOf(mapOf(JSON.parse(text))['keys']);
  } catch {
    findings.error('jwks parse error: failed to unmarshal JWK set: not JSON');
    return;
  }
  if (keys.some((key) => key['kty'] !== 'oct' && PRIVATE_PARTS.some((part) => key[part] !== undefined))) {
    findings.warn('jwks contains private key material; only public keys are needed');
  }
}

/** A token of RFC 9110 5.6.2. */
export function isHeaderName(name: string): boolean {
  const other = "!#$%&'*+-.^_`|~";
  const isToken = (c: string): boolean =>
    (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || other.includes(c);
  return name !== '' && Array.from(name).every(isToken);
}
