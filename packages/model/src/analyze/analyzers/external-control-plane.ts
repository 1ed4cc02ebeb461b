// externalcontrolplane.ExternalControlPlaneAnalyzer: addresses of webhooks outside of the cluster (IST0163, IST0164).
import { ipBytes } from '../../ip.ts';
import { mapOf, mapsOf, optionalMap, textOf } from '../../validate/json.ts';
import { goUrl } from '../../validate/go-url.ts';
import type { Analyzer } from '../analyzer.ts';
import { type Message, messageOf } from '../message.ts';
import type { Subject } from '../subject.ts';

/** See the file's comment. */
export const externalControlPlaneAnalyzer: Analyzer = {
  name: 'externalcontrolplane.ExternalControlPlaneAnalyzer',
  description: 'Checks that the remote IstioOperator resources reference an external control plane',
  inputs: ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'],
  analyze: ({ objects }, report) => {
    for (const configuration of objects.all('ValidatingWebhookConfiguration')) {
      const { name } = configuration;
      if (name === 'istiod-default-validator' || name.startsWith('istio-validator')) check(configuration, report);
    }
    for (const configuration of objects.all('MutatingWebhookConfiguration')) {
      if (configuration.name.startsWith('istio-sidecar-injector')) check(configuration, report);
    }
  },
};

function check(configuration: Subject, report: (message: Message) => void): void {
  for (const webhook of mapsOf(configuration.object['webhooks'])) {
    const client = mapOf(webhook['clientConfig']);
    const name = textOf(webhook['name']);
    const invalid = (host: string, why: string): void =>
      report(
        messageOf(
          'IST0163',
          configuration,
          `The hostname (${host}) that was provided for the webhook (${name}) to reach the ingress gateway on the external control plane cluster ${why}. Traffic may not flow properly.`,
        ),
      );
    const address = client['url'];
    if (typeof address !== 'string') {
      if (optionalMap(client['service']) === undefined) invalid('', 'is blank');
      continue;
    }
    const url = goUrl(address);
    if (typeof url === 'string') invalid(address, 'was provided in an invalid format');
    else if (ipBytes(url.hostname) !== undefined) {
      report(
        messageOf(
          'IST0164',
          configuration,
          `The address (${address}) that was provided for the webhook (${name}) to reach the ingress gateway on the external control plane cluster is an IP address. This is not recommended for a production environment.`,
        ),
      );
    }
  }
}
