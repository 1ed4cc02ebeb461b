// gateway.CertificateAnalyzer: one certificate on several Gateways (IST0138).
import { type Json, mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import { isSubset, type Labels } from '../../labels.ts';
import type { Analyzer } from '../analyzer.ts';
import { listText } from '../go-text.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

/** See the file's comment. */
export const gatewayCertificatesAnalyzer: Analyzer = {
  name: 'gateway.CertificateAnalyzer',
  description: 'Checks a gateway certificate',
  inputs: ['IstioGateway'],
  analyze: ({ objects }, report) => {
    const gateways = [...objects.all('IstioGateway')];
    for (const gateway of gateways) {
      const selector = mapOf(gateway.spec['selector']) as Labels;
      for (const other of gateways) {
        if (other === gateway || !isSubset(selector, mapOf(other.spec['selector']) as Labels)) continue;
        for (const [own, foreign] of pairsOf(gateway, other)) {
          if (!isSameCertificate(own, foreign)) continue;
          const names = listText([gateway.fullName, other.fullName]);
          report(
            messageOf(
              'IST0138',
              gateway,
              `Duplicate certificate in multiple gateways ${names} may cause 404s if clients re-use HTTP2 connections.`,
              '.metadata.name',
            ),
          );
        }
      }
    }
  },
};

/** TLS settings of all servers of two Gateways, crosswise. */
function pairsOf(a: Subject, b: Subject): (readonly [Json, Json])[] {
  const settings = ({ spec }: Subject): Json[] =>
    mapsOf(spec['servers'])
      .map((server) => optionalMap(server['tls']))
      .filter((tls) => tls !== undefined);
  return settings(a).flatMap((own) => settings(b).map((foreign) => [own, foreign] as const));
}

function isSameCertificate(a: Json, b: Json): boolean {
  const same = (field: string): boolean => textOf(a[field]) !== '' && textOf(a[field]) === textOf(b[field]);
  if (same('credentialName')) return true;
  if (textOf(a['credentialName']) !== '' || textOf(b['credentialName']) !== '') return false;
  return same('serverCertificate') && same('privateKey');
}
