// Which Services are known in all networks (spec control-plane 2.13 W32). Pure.
import type { View } from '../../index/view.ts';
import { selects } from '../../labels.ts';
import type { ServiceDefinition } from './definition.ts';

/** True for a Service that the mesh configuration makes known in all networks. */
export function isGlobal(view: View, { namespace, labels }: ServiceDefinition): boolean {
  return view.options.globalServiceSelectors.some(
    (scope) =>
      (scope.namespace === undefined || selects(scope.namespace, view.namespaceLabels(namespace))) &&
      (scope.service === undefined || selects(scope.service, labels)),
  );
}
