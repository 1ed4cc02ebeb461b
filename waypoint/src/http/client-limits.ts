/** What holds for connections of clients in both HTTP versions (spec/waypoint.md 4.6.2, 4.6.4, 5.8). Made by updates/proxy-settings.ts. */

/** Settings of a connection, taken when it begins. */
export interface ClientLimits {
  /** Bytes of the head of a request, names and values. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** How long a connection without a request is kept. */
  readonly idleMs: number;
  /** First byte of a head to its last. */
  readonly headersMs: number;
  readonly serverName: string;
}

/** Why a connection of a client was closed that did nothing wrong but be slow. */
export type Timeout = 'idle' | 'head';
