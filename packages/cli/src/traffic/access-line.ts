// In: one line of an access log, as node proxies and waypoints write it, text or JSON, or of `tap -o jsonl`. Out: the connection or request that ended, or
// undefined for any other line. Pure. Called by tap.ts and explain conn.

/** What ended. Fields that the line does not say are empty. */
export interface Flow {
  readonly time: string;
  readonly direction: 'inbound' | 'outbound' | 'waypoint';
  readonly source: string;
  readonly destination: string;
  readonly service: string;
  /** True when both ends showed their identity. */
  readonly isMutualTls: boolean;
  readonly bytes: number;
  readonly durationMs: number;
  /** Why it failed; empty when it did not. */
  readonly error: string;
  readonly method: string;
  readonly path: string;
  /** 0 for connections. */
  readonly status: number;
  /** `ip:port` of the client as the reporter saw it. */
  readonly sourceAddress: string;
  /** Where the reporter connected to, or was connected at. */
  readonly destinationAddress: string;
  readonly sourceIdentity: string;
  readonly destinationIdentity: string;
  /** `ip:port` that was asked of the tunnel. */
  readonly authority: string;
  /** The same at both ends of a tunnel, and of every request that came by it; not in access logs. */
  readonly connection: string;
  /** Trace id of the request; not in access logs. */
  readonly trace: string;
  /** `pod.namespace` of the proxy; not in access logs. */
  readonly reporter: string;
}

type Fields = Readonly<Record<string, string>>;

/** Longest line that is looked at, in characters. */
const MAX_LINE = 16_384;

/** `a=b c="d e"` as a record; what is broken ends the reading. */
export function readPairs(text: string): Fields {
  const fields: Record<string, string> = {};
  let at = 0;
  while (at < text.length) {
    const equals = text.indexOf('=', at);
    if (equals < 0) break;
    const name = text.slice(at, equals).trim();
    if (text[equals + 1] !== '"') {
      const space = text.indexOf(' ', equals);
      const end = space < 0 ? text.length : space;
      fields[name] = text.slice(equals + 1, end);
      at = end + 1;
      continue;
    }
    let end = equals + 2;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    fields[name] = text
      .slice(equals + 2, end)
      .split('\\"')
      .join('"');
    at = end + 2;
  }
  return fields;
}

const connected = (name: string | undefined, namespace: string | undefined, address: string | undefined): string =>
  name === undefined ? (address ?? '') : namespace === undefined ? name : `${namespace}/${name}`;

const unlogged = { connection: '', trace: '', reporter: '' } as const;

function connectionOf(time: string, fields: Fields): Flow | undefined {
  const direction = fields['direction'];
  if (direction !== 'inbound' && direction !== 'outbound') return undefined;
  return {
    time,
    direction,
    source: connected(fields['src.workload'], fields['src.namespace'], fields['src.addr']),
    destination: connected(fields['dst.workload'], fields['dst.namespace'], fields['dst.addr']),
    service: fields['dst.service'] ?? '',
    isMutualTls: fields['src.identity'] !== undefined && fields['dst.identity'] !== undefined,
    bytes: (Number(fields['bytes_sent']) || 0) + (Number(fields['bytes_recv']) || 0),
    durationMs: Number.parseInt(fields['duration'] ?? '', 10) || 0,
    error: fields['error'] ?? '',
    method: '',
    path: '',
    status: 0,
    sourceAddress: fields['src.addr'] ?? '',
    destinationAddress: fields['dst.addr'] ?? '',
    sourceIdentity: fields['src.identity'] ?? '',
    destinationIdentity: fields['dst.identity'] ?? '',
    authority: fields['dst.hbone_addr'] ?? '',
    ...unlogged,
  };
}

/** Words of a waypoint's line: quotes hold spaces together, brackets hold the time. */
function wordsOf(line: string): readonly string[] {
  const words: string[] = [];
  let at = 0;
  while (at < line.length) {
    const isQuoted = line[at] === '"';
    const end = line.indexOf(isQuoted ? '"' : ' ', at + 1);
    const stop = end < 0 ? line.length : end;
    words.push(line.slice(isQuoted ? at + 1 : at, stop));
    at = stop + (isQuoted ? 2 : 1);
  }
  return words;
}

const said = (word: unknown): string => (typeof word === 'string' && word !== '-' ? word : '');

function requestOf(fields: Readonly<Record<string, unknown>>): Flow {
  const text = (name: string): string => said(fields[name]);
  const number = (name: string): number => Number(fields[name]) || 0;
  const status = number('response_code');
  const flags = text('response_flags');
  return {
    time: text('start_time'),
    direction: 'waypoint',
    source: text('downstream_remote_address'),
    destination: text('upstream_host'),
    service: text('authority'),
    isMutualTls: true,
    bytes: number('bytes_received') + number('bytes_sent'),
    durationMs: number('duration'),
    error: flags !== '' ? flags : status >= 500 ? text('response_code_details') : '',
    method: text('method'),
    path: text('path'),
    status,
    sourceAddress: text('downstream_remote_address'),
    destinationAddress: text('upstream_host'),
    sourceIdentity: '',
    destinationIdentity: '',
    authority: text('downstream_local_address'),
    ...unlogged,
  };
}

/** Order of the words in the text form (spec/waypoint.md 7.3). */
const textWords = [
  'start_time',
  'request',
  'response_code',
  'response_flags',
  'response_code_details',
  'connection_termination_details',
  'upstream_transport_failure_reason',
  'bytes_received',
  'bytes_sent',
  'duration',
  'upstream_service_time',
  'x_forwarded_for',
  'user_agent',
  'request_id',
  'authority',
  'upstream_host',
  'upstream_cluster',
  'upstream_local_address',
  'downstream_local_address',
  'downstream_remote_address',
] as const;

function fromText(line: string): Flow | undefined {
  const words = wordsOf(line);
  const [time = '', request = ''] = words;
  const [method = '', path = ''] = request.split(' ');
  if (!time.endsWith(']') || path === '' || words.length < textWords.length) return undefined;
  const fields = Object.fromEntries(textWords.map((name, index) => [name, words[index]]));
  return requestOf({ ...fields, start_time: time.slice(1, -1), method, path });
}

const flowDirections = ['inbound', 'outbound', 'waypoint'] as const;

/** What `ambit tap -o jsonl` wrote. */
function flowOfTap(fields: Readonly<Record<string, unknown>>): Flow | undefined {
  const text = (name: keyof Flow): string => (typeof fields[name] === 'string' ? fields[name] : '');
  const number = (name: keyof Flow): number => Number(fields[name]) || 0;
  const direction = flowDirections.find((one) => one === fields['direction']);
  if (direction === undefined) return undefined;
  return {
    time: text('time'),
    direction,
    source: text('source'),
    destination: text('destination'),
    service: text('service'),
    isMutualTls: fields['isMutualTls'] === true,
    bytes: number('bytes'),
    durationMs: number('durationMs'),
    error: text('error'),
    method: text('method'),
    path: text('path'),
    status: number('status'),
    sourceAddress: text('sourceAddress'),
    destinationAddress: text('destinationAddress'),
    sourceIdentity: text('sourceIdentity'),
    destinationIdentity: text('destinationIdentity'),
    authority: text('authority'),
    connection: text('connection'),
    trace: text('trace'),
    reporter: text('reporter'),
  };
}

function fromJson(line: string): Flow | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const fields = parsed as Record<string, unknown>;
  if ('sourceAddress' in fields) return flowOfTap(fields);
  if ('response_code' in fields && 'downstream_remote_address' in fields) return requestOf(fields);
  const texts = Object.entries(fields).map(([name, value]) => [name, String(value)] as const);
  return connectionOf(said(fields['time']), Object.fromEntries(texts));
}

/** The connection or request that a line is about. */
export function flowOf(line: string): Flow | undefined {
  if (line.length > MAX_LINE) return undefined;
  if (line.startsWith('{')) return fromJson(line);
  if (line.startsWith('[')) return fromText(line);
  const [time = '', , scope, , pairs] = line.split('\t');
  return scope === 'access' && pairs !== undefined ? connectionOf(time, readPairs(pairs)) : undefined;
}
