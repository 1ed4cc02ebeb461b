/**
 * `POST /logging?level=...&reset` in; changed log levels of all threads out (spec/node-proxy.md 9.5). Main thread.
 */
import type { AdminRequest, AdminResponse } from '@ambit/runtime/admin';
import { type LogThreshold, parseLogFilter, type RootLogger } from '@ambit/runtime/log';

const USAGE = `usage: POST /logging\t\t\t\t\t\t(To list current level)
usage: POST /logging?level=<level>\t\t\t\t(To change global levels)
usage: POST /logging?level={mod1}={level1},{mod2}={level2}\t(To change specific mods' logging level)
usage: POST /logging?reset\t\t\t\t\t(To restore the level of the start)
`;

/** Makes the route. `broadcast` hands a change to the data threads. */
export function loggingRoute(options: {
  readonly log: RootLogger;
  readonly startFilter: string;
  readonly broadcast: (scope: string | undefined, level: LogThreshold) => void;
}): (request: AdminRequest) => AdminResponse {
  const { log, startFilter } = options;
  const apply = (filter: string): string | undefined => {
    const rows = parseLogFilter(filter);
    if (typeof rows === 'string') return rows;
    // A bare level forgets the scopes, so it goes first.
    for (const { scope, level } of rows.toSorted(
      (a, b) => Number(a.scope !== undefined) - Number(b.scope !== undefined),
    )) {
      log.setLevel(scope, level);
      options.broadcast(scope, level);
    }
    return undefined;
  };
  return (request) => {
    if (request.method !== 'POST') return { status: 405, body: `Invalid HTTP method\n${USAGE}` };
    if (request.query.has('reset')) apply(startFilter);
    const level = request.query.get('level');
    const problem = level === null ? undefined : apply(level);
    if (problem !== undefined) return { status: 400, body: `${problem}\n${USAGE}` };
    return { body: `current log level is ${log.filter()}\n` };
  };
}
