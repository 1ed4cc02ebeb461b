// Step 4: an L4 deny resets the connection, and one log line says which policy, who and where.
import { findProxyLine } from '../proxy-log.ts';
import { waitUntil } from '../../output/wait-until.ts';
import { shop } from '../stage.ts';
import { expect, type TourStep } from '../step.ts';

const policy = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  metadata: { name: 'deny-load', namespace: shop },
  spec: {
    selector: { matchLabels: { app: 'details' } },
    action: 'DENY',
    rules: [{ from: [{ source: { principals: [`cluster.local/ns/${shop}/sa/bookinfo-load`] } }] }],
  },
};

/** Step 4 of the tour. */
export const denyStep: TourStep = {
  number: 4,
  title: 'an L4 policy denies, and says so',
  commands: [
    'kubectl apply -f deny-load.yaml   # AuthorizationPolicy: DENY principal .../sa/bookinfo-load, selector app=details',
  ],
  run: async (stage) => {
    await stage.api.apply(policy);
    try {
      const denied = await waitUntil('the denial', 15_000, async () => {
        const result = await stage.load.burst({ host: 'details:9080', path: '/details/0' });
        return result.statuses['error'] === 1
          ? { value: result }
          : { missing: `load -> details still answers ${JSON.stringify(result.statuses)}` };
      });
      const error = denied.errors[0] ?? '';
      expect(
        error.includes('ECONNRESET') || error.includes('socket hang up') || error.includes('reset'),
        'the denied connection was not reset',
        error,
      );
      const others = await stage.load.burst({ host: 'productpage:9080', path: '/api/v1/products/0', count: 10 });
      expect(others.statuses['200'] === 10, 'a caller that is not denied failed', JSON.stringify(others));
      const line = await findProxyLine(stage, [
        `${shop}/deny-load`,
        'src.workload="load-v1',
        'dst.workload="details-v1',
      ]);
      return [`load -> details: ${error}`, 'productpage -> details: 10 of 10 answered', `log: ${line.slice(0, 500)}`];
    } finally {
      await stage.api.delete({
        apiVersion: policy.apiVersion,
        kind: policy.kind,
        namespace: shop,
        name: policy.metadata.name,
      });
    }
  },
};
