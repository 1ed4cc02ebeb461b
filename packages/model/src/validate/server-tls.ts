// Rules for TLS that a server terminates (spec control-plane 10.2). Called by the rules of Gateways and Sidecars. Pure.
import { listText } from '../analyze/go-text.ts';
import { enumText, type Findings, type Json, listOf, mapsOf, textOf, textsOf } from './json.ts';

const CIPHERS = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

const isLetterOrDigit = (c: string): boolean =>
  (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

/** What begins with an operator is left to the TLS library. */
const isCipher = (text: string): boolean =>
  text === '' || text === 'ALL' || !isLetterOrDigit(text.charAt(0)) || CIPHERS.has(text);

/** Checks TLS settings of a server. */
export function checkServerTls(tls: Json, findings: Findings): void {
  const { error, warn } = findings;
  const mode = enumText(tls['mode'], 'PASSTHROUGH');
  const has = (field: string): boolean => textOf(tls[field]) !== '' || listOf(tls[field]).length > 0;
  checkCiphers(tls, findings);
  if (mode === 'ISTIO_MUTUAL') {
    checkMeshMutual(has, error);
    return;
  }
  const sources = ['caCrl', 'serverCertificate', 'privateKey', 'caCertificates', 'tlsCertificates'];
  if (mode.endsWith('PASSTHROUGH') && [...sources, 'credentialName', 'credentialNames'].some(has)) {
    warn(`${mode} mode does not use certificates, they will be ignored`);
  }
  const given = [
    has('serverCertificate') && has('privateKey'),
    has('credentialName'),
    has('credentialNames'),
    has('tlsCertificates'),
  ];
  if (given.filter(Boolean).length > 1) {
    error(
      'only one of credential_name, credential_names, server_certificate/private_key, tls_certificates should be specified',
    );
  }
  const isMutual = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  const isTerminated = mode === 'SIMPLE' || isMutual;
  // Credentials are fetched later; nothing else is needed then.
  if (isTerminated && (has('credentialName') || has('credentialNames'))) return;
  if (isTerminated) checkCertificates(tls, isMutual, findings);
  if (!has('caCrl')) return;
  if (has('credentialName')) {
    error('CRL is not supported with credentialName. CRL has to be specified in the credential');
  }
  if (mode === 'SIMPLE') error('CRL is not supported with SIMPLE TLS');
}

function checkCiphers(tls: Json, { warn }: Findings): void {
  const suites = textsOf(tls['cipherSuites']);
  const version = tls['minProtocolVersion'];
  if ((version === 'TLSV1_0' || version === 'TLSV1_1') && suites.length === 0) {
    warn(
      'TLS version below TLSV1_2 require setting compatible ciphers as by default they no longer include compatible ciphers.',
    );
  }
  const invalid = new Set(suites.filter((suite) => !isCipher(suite)));
  const repeated = new Set(suites.filter((suite, index) => isCipher(suite) && suites.indexOf(suite) < index));
  if (invalid.size > 0) warn(`ignoring invalid cipher suites: ${listText([...invalid].toSorted())}`);
  if (repeated.size > 0) warn(`ignoring duplicate cipher suites: ${listText([...repeated].toSorted())}`);
}

function checkMeshMutual(has: (field: string) => boolean, error: (message: string) => void): void {
  for (const [field, name] of [
    ['serverCertificate', 'server certificate'],
    ['privateKey', 'private key'],
    ['caCertificates', 'CA bundle'],
    ['tlsCertificates', 'tlsCertificates'],
    ['credentialName', 'credentialName'],
    ['credentialNames', 'credentialNames'],
  ] as const) {
    if (has(field)) error(`ISTIO_MUTUAL TLS cannot have associated ${name}`);
  }
}

function checkCertificates(tls: Json, isMutual: boolean, { error, warn }: Findings): void {
  const prefix = isMutual ? 'MUTUAL TLS' : 'SIMPLE TLS';
  const certificates = mapsOf(tls['tlsCertificates']);
  if (isMutual && textOf(tls['caCertificates']) === '') error(`${prefix} requires a client CA bundle`);
  if (certificates.length > 2) warn(`${prefix} can support up to 2 server certificates`);
  for (const certificate of certificates.length > 0 ? certificates : [tls]) {
    if (textOf(certificate['serverCertificate']) === '') error(`${prefix} requires a server certificate`);
    if (textOf(certificate['privateKey']) === '') error(`${prefix} requires a private key`);
  }
}
