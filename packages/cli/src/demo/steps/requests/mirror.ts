// A mirror: v1 answers, v3 gets a copy of every request; its log shows them, its answers nobody sees.
import { kinds } from '../../../cluster/kinds.ts';
import { nameOf } from '../../../cluster/object-fields.ts';
import { waitUntil } from '../../../output/wait-until.ts';
import { reviewsRoute } from '../../reviews-route.ts';
import { shop, type Stage } from '../../stage.ts';
import type { RequestRule } from './rule.ts';

const mirrored = reviewsRoute([
  {
    filters: [{ type: 'RequestMirror', requestMirror: { backendRef: { name: 'reviews-v3', port: 9080 } } }],
    backendRefs: [{ name: 'reviews-v1', port: 9080 }],
  },
]);

const count = 20;

/** How often the mark stands in the log of v3. */
async function copiesOf(stage: Stage, mark: string): Promise<number> {
  const pods = await stage.api.list(kinds.pod, { namespace: shop, labelSelector: 'app=reviews,version=v3' });
  const logs = await Promise.all(pods.map(async (pod) => stage.api.podLog({ namespace: shop, name: nameOf(pod) })));
  return logs.reduce((sum, log) => sum + log.split(mark).length - 1, 0);
}

async function mirror(stage: Stage): Promise<string> {
  await stage.api.apply(mirrored);
  let round = 0;
  // A copy is sent once and nobody waits for it; a burst that met the rule from its first request on has all of them.
  return waitUntil('a copy of every request', 30_000, async () => {
    const mark = `mirror-${process.pid}-${(round += 1)};`;
    const order = { host: 'reviews:9080', path: '/reviews/0', count, headers: { 'x-log': mark } };
    const result = await stage.load.burst(order);
    // Before the rule is in force v3 answers its share of the split itself, and has the mark in its log for that.
    if (result.versions['v1'] !== count)
      return { missing: `not every request was answered by v1: ${JSON.stringify(result)}` };
    const first = await copiesOf(stage, mark);
    if (first === 0) return { missing: 'v3 has no copy yet' };
    const copies = await waitForCopies(stage, mark);
    if (copies !== count) return { missing: `v3 has ${copies} of ${count} copies` };
    return { value: `${count} of ${count} answered by v1; the log of v3 has a copy of each` };
  });
}

/** Copies of a burst when all are there, or after five seconds. */
async function waitForCopies(stage: Stage, mark: string): Promise<number> {
  let copies = 0;
  try {
    await waitUntil('the copies', 5000, async () => {
      copies = await copiesOf(stage, mark);
      return copies >= count ? { value: copies } : { missing: `${copies} of ${count}` };
    });
  } catch {
    // Said by the caller.
  }
  return copies;
}

/** HTTPRoute with a mirror. */
export const mirrorRule: RequestRule = {
  command: 'kubectl apply -f reviews-mirror.yaml    # HTTPRoute: v1 answers, v3 gets a copy',
  show: mirror,
};
