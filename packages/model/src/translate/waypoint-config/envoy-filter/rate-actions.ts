// `rate_limits` of a virtual host, a route or a filter -> what a descriptor is made of (spec waypoint 4.5). Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RateActionSchema } from '@ambit/proto/waypoint';
import { field, type Json, mapIn, mapsIn, textIn } from './foreign-fields.ts';

/** Init of one action. */
export type RateActionInit = Exclude<MessageInitShape<typeof RateActionSchema>, { $typeName: string }> & {
  readonly key: string;
};

/** The actions of each entry; an entry with an action that nothing here computes is left out, as one that lacks its value. */
export function rateActionsOf(limits: readonly Json[]): RateActionInit[][] {
  return limits.flatMap((limit) => {
    const actions = mapsIn(limit, 'actions').map(actionOf);
    const known = actions.filter((action) => action !== undefined);
    return known.length === 0 || known.length < actions.length ? [] : [known];
  });
}

function actionOf(action: Json): RateActionInit | undefined {
  if (field(action, 'request_headers') !== undefined) {
    const given = mapIn(action, 'request_headers');
    const name = textIn(given, 'header_name').toLowerCase();
    const source = headerSource(name);
    const skipIfAbsent = field(given, 'skip_if_absent') === true;
    return source && { source, key: textIn(given, 'descriptor_key'), skipIfAbsent };
  }
  if (field(action, 'remote_address') !== undefined) {
    return { source: { case: 'remoteAddress', value: true }, key: 'remote_address' };
  }
  if (field(action, 'generic_key') !== undefined) {
    const given = mapIn(action, 'generic_key');
    const value = textIn(given, 'descriptor_value');
    return { source: { case: 'genericValue', value }, key: textIn(given, 'descriptor_key') || 'generic_key' };
  }
  return undefined;
}

/** Pseudo headers are facts of the request, not headers of it. */
function headerSource(name: string): RateActionInit['source'] | undefined {
  if (name === ':path') return { case: 'path', value: true };
  if (name === ':method') return { case: 'method', value: true };
  return name === '' || name.startsWith(':') ? undefined : { case: 'requestHeader', value: name };
}
