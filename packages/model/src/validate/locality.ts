// Rules for load balancing by place (spec control-plane 10.2). Pure.
import { REGION, SUBZONE, ZONE } from '../labels.ts';
import { type Findings, type Json, listOf, mapOf, mapsOf, numberOf, textOf, textsOf } from './json.ts';

const TOPOLOGY = new Set([REGION, ZONE, SUBZONE]);
const NO_OUTLIER = 'outlier detection policy must be provided for failover';

/** Checks `localityLbSetting`. */
export function checkLocalitySettings(settings: Json, hasOutlier: boolean, { error, warn }: Findings): void {
  const [distribute, failover] = [mapsOf(settings['distribute']), mapsOf(settings['failover'])];
  const priorities = textsOf(settings['failoverPriority']);
  if (distribute.length > 0 && failover.length > 0) {
    error("can not simultaneously specify 'distribute' and 'failover'");
    return;
  }
  const topology = failover.length > 0 ? priorities.find((label) => TOPOLOGY.has(label)) : undefined;
  if (topology !== undefined) {
    error(`can not simultaneously set 'failover' and topology label '${topology}' in 'failover_priority'`);
    return;
  }
  for (const rule of distribute) {
    const to = Object.entries(mapOf(rule['to'])).map(([place, weight]) => [place, numberOf(weight)] as const);
    if (to.some(([, weight]) => weight <= 0 || weight > 100)) {
      error('locality weight must be in range [1, 100]');
      return;
    }
    const total = to.reduce((sum, [, weight]) => sum + weight, 0);
    if (total !== 100) {
      error(`total locality weight ${total} != 100`);
      return;
    }
    tell(problemOfPlaces(to.map(([place]) => place)), error);
  }
  tell(problemOfPlaces(distribute.map((rule) => textOf(rule['from']))), error);
  if ((failover.length > 0 || priorities.length > 0) && !hasOutlier) warn(NO_OUTLIER);
  for (const { from, to } of failover) {
    const [a, b] = [textOf(from), textOf(to)];
    if (a === b) error('locality lb failover settings must specify different regions');
    if (`${a}${b}`.includes('/')) error('locality lb failover only specify region');
    if (`${a}${b}`.includes('*')) error("locality lb failover region should not contain '*' wildcard");
  }
}

/** Checks `zoneAwareLbSetting`. */
export function checkZoneSettings(settings: Json, hasOutlier: boolean, { error, warn }: Findings): void {
  for (const label of textsOf(settings['failoverPriority'])) {
    if (!TOPOLOGY.has(label)) continue;
    error(
      `'failover_priority' for zone aware lb must not use topology label '${label}'; region- and zone-level routing are handled automatically`,
    );
  }
  const failover = mapsOf(settings['failover']);
  if ((failover.length > 0 || listOf(settings['failoverPriority']).length > 0) && !hasOutlier) warn(NO_OUTLIER);
  for (const { from, to } of failover) {
    const [a, b] = [textOf(from), textOf(to)];
    if (a === b) error('zone aware lb failover settings must specify different regions');
    if (`${a}${b}`.includes('/')) {
      error('zone aware lb failover only specifies region; zone and subzone failover are handled automatically');
    }
    if (`${a}${b}`.includes('*')) error("zone aware lb failover region should not contain '*' wildcard");
  }
}

const tell = (problem: string | undefined, error: (message: string) => void): void => {
  if (problem !== undefined) error(problem);
};

/** Places that overlap, or that are none: `region/zone/subzone`, the last part perhaps `*`. */
function problemOfPlaces(places: readonly string[]): string | undefined {
  const seen: string[][] = [];
  for (const place of places) {
    const stars = place.split('*').length - 1;
    if (stars > 1 || (stars === 1 && !place.endsWith('*'))) {
      return `locality ${place} wildcard '*' number can not exceed 1 and must be in the end`;
    }
    const overlap = `locality ${place} overlap with previous specified ones`;
    if (seen.some(([region]) => region === '*')) return overlap;
    const [region = '', zone, ...rest] = place.split('/');
    const parts = [region, ...(zone === undefined ? [] : [zone]), ...(rest.length === 0 ? [] : [rest.join('/')])];
    if (parts.includes('')) return `locality ${place} must not contain empty region/zone/subzone info`;
    if (seen.some((other) => isOverlap(other, parts))) return overlap;
    seen.push(parts);
  }
  return undefined;
}

/** A shorter place covers all that it begins; so does `*` in its last part. */
function isOverlap(earlier: readonly string[], later: readonly string[]): boolean {
  for (let i = 0; i < 3; i++) {
    const [a, b] = [earlier[i] ?? '*', later[i]];
    if (i > 0 && a === '*') return true;
    // A whole region after one of its zones, a whole zone after one of its subzones.
    if (b === undefined) return true;
    if (a !== b) return false;
  }
  return true;
}
