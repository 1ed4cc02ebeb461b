// k8sgateway.SelectorAnalyzer: selectors that hit pods of a Gateway, where only targetRef counts (IST0166).
import { GATEWAY_NAME } from '../../labels.ts';
import { mapOf, optionalMap } from '../../validate/json.ts';
import type { Analyzer } from '../analyzer.ts';
import { messageOf } from '../message.ts';
import { pairSelector } from '../selection.ts';

/** See the file's comment. */
export const gatewayApiSelectorsAnalyzer: Analyzer = {
  name: 'k8sgateway.SelectorAnalyzer',
  description: 'Check that selectors are effective for Kubernetes gateway',
  inputs: ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin', 'Pod'],
  analyze: ({ objects }, report) => {
    for (const kind of ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin'] as const) {
      for (const policy of objects.all(kind)) {
        const given = optionalMap(policy.spec['selector']);
        if (given === undefined || optionalMap(policy.spec['targetRef']) !== undefined) continue;
        const selector = pairSelector(mapOf(given)['matchLabels']);
        for (const pod of objects.podsIn(policy.namespace)) {
          const gateway = pod.labels[GATEWAY_NAME];
          if (gateway === undefined || !selector.matches(pod.labels)) continue;
          report(
            messageOf(
              'IST0166',
              policy,
              `Ineffective selector on Kubernetes Gateway ${gateway}. Use the TargetRef field instead.`,
            ),
          );
        }
      }
    }
  },
};
