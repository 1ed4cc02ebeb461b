// In: rules. Out: the HTTPRoute of the service `reviews` with them. Used by the steps that send its requests to one version or another.
import { shop } from './stage.ts';

/** Each step applies its own rules under the same name. */
export const reviewsRoute = (rules: readonly object[]) => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'reviews', namespace: shop },
  spec: { parentRefs: [{ group: '', kind: 'Service', name: 'reviews', port: 9080 }], rules },
});
