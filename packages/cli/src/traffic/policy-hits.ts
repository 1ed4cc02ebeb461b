// In: flows that ended within an interval, and the policies as they are. Out: which policy decided how often. Pure. Called by top.ts.
// Proxies say which policy refused; which one let something through is asked again, with the identity that the proxy saw.
import type { DecidingPolicy } from '../explain/decide.ts';
import { decideRecorded, recordedQuestion } from '../explain/recorded.ts';
import type { World } from '../explain/world.ts';
import type { Flow } from './access-line.ts';
import { isDenied } from './verdict-of-flow.ts';

/** How often a policy decided. */
export interface PolicyHits {
  /** `namespace/name`; {@link NO_ALLOW} where ALLOW policies are there and none fits. */
  readonly policy: string;
  readonly layer: DecidingPolicy['layer'];
  allowed: number;
  denied: number;
  /** Time of the last flow. */
  last: string;
}

/** Refused because nothing allows it. */
export const NO_ALLOW = '(no ALLOW policy matches)';

/** Refused, and now it would not be. */
export const CHANGED = '(policies have changed)';

/** Flows that only differ in what policies do not look at are decided once. */
const MAX_REMEMBERED = 10_000;

const NAMED = 'explicitly denied by: ';

/** The policy that an error names. Pure. */
export function policyNamedIn(error: string): string | undefined {
  const at = error.indexOf(NAMED);
  return at < 0 ? undefined : error.slice(at + NAMED.length).split(' ', 1)[0];
}

const keyOf = (flow: Flow): string =>
  [
    flow.direction,
    flow.source,
    flow.sourceIdentity,
    flow.sourceAddress.slice(0, flow.sourceAddress.lastIndexOf(':')),
    flow.destination,
    flow.service,
    flow.authority,
    flow.method,
    flow.path,
  ].join('\u001f');

/** Hits by policy, the busiest first. */
export function policyHits(world: World, flows: readonly Flow[]): readonly PolicyHits[] {
  const decided = new Map<string, readonly DecidingPolicy[]>();
  const decidersOf = (flow: Flow): readonly DecidingPolicy[] => {
    const key = keyOf(flow);
    const known = decided.get(key);
    if (known !== undefined) return known;
    const question = recordedQuestion(world, flow);
    const layer = flow.direction === 'waypoint' ? 'L7' : 'L4';
    const by =
      typeof question === 'string' ? [] : decideRecorded(world, question).by.filter((one) => one.layer === layer);
    if (decided.size < MAX_REMEMBERED) decided.set(key, by);
    return by;
  };
  const hits = new Map<string, PolicyHits>();
  const count = (policy: string, layer: DecidingPolicy['layer'], isAllowed: boolean, time: string): void => {
    const key = `${layer} ${policy}`;
    const one = hits.get(key) ?? { policy, layer, allowed: 0, denied: 0, last: '' };
    hits.set(key, one);
    if (isAllowed) one.allowed += 1;
    else one.denied += 1;
    if (time > one.last) one.last = time;
  };
  // The source decides about no policy.
  for (const flow of flows.filter(({ direction }) => direction !== 'outbound')) {
    const layer = flow.direction === 'waypoint' ? 'L7' : 'L4';
    const named = policyNamedIn(flow.error);
    if (named !== undefined) count(named, layer, false, flow.time);
    else if (isDenied(flow)) {
      const [by] = decidersOf(flow).filter(({ isAllowed }) => !isAllowed);
      count(by === undefined ? CHANGED : by.policy || NO_ALLOW, layer, false, flow.time);
    } else
      for (const { policy } of decidersOf(flow).filter(({ isAllowed }) => isAllowed))
        count(policy, layer, true, flow.time);
  }
  return [...hits.values()].toSorted((a, b) => b.allowed + b.denied - (a.allowed + a.denied));
}
