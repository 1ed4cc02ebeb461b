// virtualservice.JWTClaimRouteAnalyzer: routes by claims that nobody verifies (IST0149).
import { mapOf, mapsOf, textsOf } from '../../validate/json.ts';
import { isRoutingClaim } from '../../validate/routing-claim.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';
import type { Subject } from '../subject.ts';

const ROOT = 'istio-system';

/** See the file's comment. */
export const virtualServiceJwtAnalyzer: Analyzer = {
  name: 'virtualservice.JWTClaimRouteAnalyzer',
  description: 'Checks the VirtualService using JWT claim based routing has corresponding RequestAuthentication',
  inputs: ['VirtualService', 'RequestAuthentication', 'IstioGateway', 'Pod'],
  analyze: ({ objects }, report) => {
    const authentications = [...objects.all('RequestAuthentication')].map(({ namespace, spec }) => ({
      namespace,
      selector: pairSelector(mapOf(spec['selector'])['matchLabels']),
    }));
    const isVerified = (pod: Subject): boolean =>
      authentications.some(
        ({ namespace, selector }) =>
          (namespace === ROOT || namespace === pod.namespace) && selector.matches(pod.labels),
      );
    for (const service of objects.all('VirtualService')) {
      const key = claimOf(service);
      if (key === undefined) continue;
      for (const name of textsOf(service.spec['gateways'])) {
        const fullName = name.includes('/') ? name : `${service.namespace}/${name}`;
        const gateway = name === 'mesh' ? undefined : objects.find('IstioGateway', fullName);
        if (gateway === undefined) continue;
        const selector = pairSelector(gateway.spec['selector']);
        for (const pod of objects.all('Pod')) {
          if (!selector.matches(pod.labels) || isVerified(pod)) continue;
          report(
            messageOf(
              'IST0149',
              service,
              `The virtual service uses the JWT claim based routing (key: ${key}) but found no request authentication for the gateway (${fullName}) pod (${pod.name}). The request authentication must first be applied for the gateway pods to validate the JWT token and make the claims available for routing.`,
            ),
          );
        }
      }
    }
  },
};

/** The first header name that stands for a claim. */
function claimOf({ spec }: Subject): string | undefined {
  for (const match of mapsOf(spec['http']).flatMap((rule) => mapsOf(rule['match']))) {
    const names = [...Object.keys(mapOf(match['headers'])), ...Object.keys(mapOf(match['withoutHeaders']))];
    const claim = names.find(isRoutingClaim);
    if (claim !== undefined) return claim;
  }
  return undefined;
}
