// gateway.SecretAnalyzer: credentials of a Gateway that are missing (IST0101) or unusable (IST0161).
import { X509Certificate } from 'node:crypto';
import { type Json, mapOf, mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { quoted } from '../go-text.ts';
import { messageOf } from '../message.ts';
import { firstLabelPath, pairSelector } from '../selection.ts';

/** See the file's comment. */
export const gatewaySecretsAnalyzer: Analyzer = {
  name: 'gateway.SecretAnalyzer',
  description: "Checks a gateway's referenced secrets for correctness",
  inputs: ['IstioGateway', 'Pod', 'Secret'],
  analyze: ({ objects, nowMs }, report) => {
    for (const gateway of objects.all('IstioGateway')) {
      const selector = pairSelector(gateway.spec['selector']);
      // The credentials stand where the proxies run, not where the Gateway object is.
      const namespace = [...objects.all('Pod')].find((pod) => selector.matches(pod.labels))?.namespace ?? '';
      if (namespace === '') {
        const text = `Referenced selector not found: ${quoted(selector.text)}`;
        report(messageOf('IST0101', gateway, text, firstLabelPath('.spec.selector', selector)));
        continue;
      }
      for (const [index, server] of mapsOf(gateway.spec['servers']).entries()) {
        const name = textOf(mapOf(server['tls'])['credentialName']);
        if (name === '') continue;
        const secret = objects.find('Secret', name.includes('/') ? name : `${namespace}/${name}`);
        const path = `.spec.servers[${index}].tls.credentialName`;
        if (secret === undefined) {
          report(messageOf('IST0101', gateway, `Referenced credentialName not found: ${quoted(name)}`, path));
        } else if (!isUsable(secret.object, nowMs)) {
          report(
            messageOf(
              'IST0161',
              gateway,
              `The credential referenced by the Gateway ${gateway.name} in namespace ${namespace} is invalid, which can cause the traffic not to work as expected.`,
              path,
            ),
          );
        }
      }
    }
  },
};

/** True when the Secret holds a key and a certificate that is valid now. Only `data` counts, as on an API server. */
function isUsable(secret: Json, nowMs: number): boolean {
  const data = mapOf(secret['data']);
  const bytesOf = (key: string): Buffer => Buffer.from(textOf(data[key]), 'base64');
  const pair = [
    ['cert', 'key'],
    ['tls.crt', 'tls.key'],
  ].find((keys) => keys.every((key) => bytesOf(key).length > 0));
  if (pair === undefined) return false;
  try {
    const { validFromDate, validToDate } = new X509Certificate(bytesOf(pair[0] ?? ''));
    return nowMs >= validFromDate.getTime() && nowMs <= validToDate.getTime();
  } catch {
    return false;
  }
}
