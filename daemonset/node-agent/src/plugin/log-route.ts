// In: log lines of plugin processes, ours and upstream's. Out: the same in this agent's log. Called by app.ts on the plugin's log socket.
// A plugin process ends with its pod's sandbox, and the runtime keeps nothing of what it prints. Source: spec node-agent 6.6.
import type { AdminRoute } from '@ambit/runtime/admin';
import type { Logger } from '@ambit/runtime/log';

/** Name of the socket in the agent's run folder. */
export const pluginLogSocketName = 'log.sock';

/** Lines of one request, fields of one line, and characters of one value that are taken; the rest is dropped. */
const maxLines = 500;
const maxFields = 20;
const maxCharacters = 2000;

/** A line as it is logged here. */
export interface PluginLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, string>>;
}

const levels: ReadonlySet<string> = new Set(['debug', 'info', 'warn', 'error']);
const isLevel = (level: unknown): level is PluginLine['level'] => typeof level === 'string' && levels.has(level);

function shown(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).slice(0, maxCharacters);
}

/** Reads one line, a JSON object with `level`, `time`, `msg` and fields; undefined for anything else. Pure. */
export function parsePluginLine(text: unknown): PluginLine | undefined {
  if (typeof text !== 'string') return undefined;
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof line !== 'object' || line === null || Array.isArray(line)) return undefined;
  const { level, msg, time: _time, ...fields } = line as Record<string, unknown>;
  if (!isLevel(level) || typeof msg !== 'string') return undefined;
  return {
    level,
    message: msg.slice(0, maxCharacters),
    fields: Object.fromEntries(
      Object.entries(fields)
        .slice(0, maxFields)
        .map(([name, value]) => [name.slice(0, 100), shown(value)]),
    ),
  };
}

/** `POST /log`: a JSON array of lines, each a text. 400 when it is none; lines that cannot be read are dropped. */
export function pluginLogRoute(log: Logger): AdminRoute {
  return async (request) => {
    let lines: unknown;
    try {
      lines = JSON.parse(await request.text());
    } catch {
      return { status: 400 };
    }
    if (!Array.isArray(lines)) return { status: 400 };
    for (const text of lines.slice(0, maxLines)) {
      const line = parsePluginLine(text);
      if (line !== undefined) log[line.level](line.message, line.fields);
    }
    return {};
  };
}
