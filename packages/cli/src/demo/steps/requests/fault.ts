// An injected fault: marked requests are answered 418, all others are not touched.
import { shop, type Stage } from '../../stage.ts';
import { expect } from '../../step.ts';
import { ratings, type RequestRule, until } from './rule.ts';

const fault = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'ratings-fault', namespace: shop },
  spec: {
    hosts: ['ratings'],
    http: [
      {
        match: [{ headers: { 'x-fault': { exact: 'abort' } } }],
        fault: { abort: { httpStatus: 418, percentage: { value: 100 } } },
        route: [{ destination: { host: 'ratings', port: { number: 9080 } } }],
      },
      { route: [{ destination: { host: 'ratings', port: { number: 9080 } } }] },
    ],
  },
};

async function injectedFault(stage: Stage): Promise<string> {
  await stage.api.apply(fault);
  const marked = { ...ratings, count: 10, headers: { 'x-fault': 'abort' } };
  await until(stage, 'the fault', marked, ({ statuses }) => statuses['418'] === 10);
  const others = await stage.load.burst({ ...ratings, count: 10 });
  expect(others.statuses['200'] === 10, 'requests without the header failed', JSON.stringify(others));
  return 'x-fault: abort: 10 of 10 answered 418; without it 10 of 10 answered 200';
}

/** VirtualService with an abort. */
export const faultRule: RequestRule = {
  command: 'kubectl apply -f ratings-fault.yaml     # VirtualService: x-fault: abort is answered 418',
  show: injectedFault,
};
