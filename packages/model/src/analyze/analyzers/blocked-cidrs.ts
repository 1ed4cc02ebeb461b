// authn.BlockedCIDRsAnalyzer: key sets may be fetched from anywhere (IST0175).
import { mapOf, mapsOf, textOf } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

const VARIABLE = 'BLOCKED_CIDRS_IN_JWKS_URIS';
const MAX_NAMES = 5;

/** See the file's comment. */
export const blockedCidrsAnalyzer: Analyzer = {
  name: 'authn.BlockedCIDRsAnalyzer',
  description: `Checks that ${VARIABLE} is configured on istiod when RequestAuthentication resources exist`,
  inputs: ['RequestAuthentication', 'Deployment'],
  analyze: ({ objects }, report) => {
    const names = [...objects.all('RequestAuthentication')].map(({ fullName }) => fullName);
    if (names.length === 0) return;
    const more = names.length > MAX_NAMES ? `, and ${names.length - MAX_NAMES} more` : '';
    const list = `${names.slice(0, MAX_NAMES).join(', ')}${more}`;
    for (const deployment of objects.all('Deployment')) {
      if (deployment.labels['app'] !== 'istiod' || isRestricted(deployment)) continue;
      report(
        messageOf(
          'IST0175',
          deployment,
          `${VARIABLE} is not configured but ${names.length} RequestAuthentication resource(s) exist (${list}). Consider configuring it to restrict JWKS URI fetches to trusted networks.`,
        ),
      );
    }
  },
};

function isRestricted(deployment: Subject): boolean {
  const containers = mapsOf(mapOf(mapOf(deployment.spec['template'])['spec'])['containers']);
  return containers.some((container) =>
    mapsOf(container['env']).some((entry) => entry['name'] === VARIABLE && textOf(entry['value']) !== ''),
  );
}
