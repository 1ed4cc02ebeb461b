// Names of Secret resources that both ends have to agree on (spec waypoint 2.3 T7).

/** The key that a waypoint signs tokens of sessions with. `gateway` is `<namespace>/<name>`. */
export const sessionKeyName = (gateway: string): string => `${SESSION_KEY_PREFIX}${gateway}`;

/** What names of such keys begin with. */
export const SESSION_KEY_PREFIX = 'session-key/';
