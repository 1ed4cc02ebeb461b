// destinationrule.CaCertificateAnalyzer: TLS to a server that nobody verifies (IST0128, IST0129).
import { type Json, mapOf, mapsOf, numberOf, optionalMap, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

/** See the file's comment. */
export const destinationRuleTlsAnalyzer: Analyzer = {
  name: 'destinationrule.CaCertificateAnalyzer',
  description: 'Checks if caCertificates is set when TLS mode is SIMPLE/MUTUAL',
  inputs: ['DestinationRule'],
  analyze: ({ objects }, report) => {
    for (const rule of objects.all('DestinationRule')) {
      const policy = mapOf(rule.spec['trafficPolicy']);
      const tls = mapOf(policy['tls']);
      const path = '.spec.trafficPolicy';
      if (isUnverified(rule, tls)) {
        report(messageOf('IST0128', rule, textOfRule(rule, tls), `${path}.tls.caCertificates`));
      }
      for (const [index, settings] of mapsOf(policy['portLevelSettings']).entries()) {
        const portTls = mapOf(settings['tls']);
        if (!isUnverified(rule, portTls)) continue;
        const text = `${textOfRule(rule, portTls)} at port ${portText(settings['port'])}`;
        report(messageOf('IST0129', rule, text, `${path}.portLevelSettings[${index}].tls.caCertificates`));
      }
    }
  },
};

function isUnverified(rule: Subject, tls: Json): boolean {
  if ((tls['mode'] !== 'SIMPLE' && tls['mode'] !== 'MUTUAL') || textOf(tls['caCertificates']) !== '') return false;
  return textOf(tls['credentialName']) === '' || optionalMap(rule.spec['workloadSelector']) === undefined;
}

function textOfRule(rule: Subject, tls: Json): string {
  const host = textOf(rule.spec['host']);
  return `DestinationRule ${rule.fullName} in namespace ${rule.namespace} has TLS mode set to ${textOf(tls['mode'])} but no caCertificates are set to validate server identity for host: ${host}`;
}

/** The port selector as upstream prints the message. */
function portText(port: unknown): string {
  if (optionalMap(port) === undefined) return '<nil>';
  const number = numberOf(mapOf(port)['number']);
  return number === 0 ? '' : `number:${number}`;
}
