// In: the first bytes of a segment or of a connection. Out: what anybody could read of them. Pure. Called by wire.ts and the relay.

const METHODS = ['GET ', 'POST ', 'PUT ', 'DELETE ', 'HEAD ', 'PATCH ', 'OPTIONS '];
const LINE_LIMIT = 200;

/** The request line of readable HTTP/1, or undefined. */
export function requestLineOf(payload: Buffer): string | undefined {
  const text = payload.subarray(0, LINE_LIMIT).toString('latin1');
  if (!METHODS.some((method) => text.startsWith(method))) return undefined;
  const line = text.split('\r\n', 1)[0] ?? '';
  return line.includes(' HTTP/1.') ? line : undefined;
}

/** True for a TLS record header: type 20 to 23, version 3.x. */
export function isTlsRecord(payload: Buffer): boolean {
  const [type = 0, major = 0] = payload;
  return type >= 20 && type <= 23 && major === 3;
}

/** What was seen between pods in a span of time. */
export interface WireReport {
  /** `packets`: read off the nodes' interfaces. `relay`: first bytes of connections that the loopback relay carried. */
  readonly source: 'packets' | 'relay';
  readonly seen: number;
  readonly readableRequests: readonly string[];
  readonly readableRequestCount: number;
  readonly tlsRecords: number;
  /** Connections that were opened while looking, and readable requests on those alone. */
  readonly newConnections: number;
  readonly readableOnNew: readonly string[];
}

const EXAMPLES = 10;

/** Adds up payloads. */
export class WireTally {
  readonly #source: WireReport['source'];
  readonly #requests = new Set<string>();
  readonly #requestsOnNew = new Set<string>();
  readonly #opened = new Set<string>();
  #seen = 0;
  #readable = 0;
  #tls = 0;

  constructor(source: WireReport['source']) {
    this.#source = source;
  }

  /** A connection was opened; `flow` names it. */
  open(flow: string): void {
    this.#opened.add(flow);
  }

  /** A piece of a connection. */
  add(payload: Buffer, flow: string): void {
    this.#seen += 1;
    if (isTlsRecord(payload)) this.#tls += 1;
    const line = requestLineOf(payload);
    if (line === undefined) return;
    this.#readable += 1;
    if (this.#requests.size < EXAMPLES) this.#requests.add(line);
    if (this.#opened.has(flow) && this.#requestsOnNew.size < EXAMPLES) this.#requestsOnNew.add(line);
  }

  report(): WireReport {
    return {
      source: this.#source,
      seen: this.#seen,
      readableRequests: [...this.#requests],
      readableRequestCount: this.#readable,
      tlsRecords: this.#tls,
      newConnections: this.#opened.size,
      readableOnNew: [...this.#requestsOnNew],
    };
  }
}
