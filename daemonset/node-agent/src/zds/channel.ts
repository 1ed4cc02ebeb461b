// One connected node proxy as a pair of queues. Implemented by packet-channel.ts (SEQPACKET with descriptors) and
// stream-channel.ts (loopback capture). Used by connection.ts.

/** Longest message of either side, in bytes (spec node-agent 5.1). */
export const messageLimitBytes = 1024;

/** A connected transport. */
export interface ZdsChannel {
  /** True where descriptors travel with messages: a pod without one is then kept by name only. */
  readonly carriesDescriptors: boolean;
  /** Sends one message, with one descriptor where the transport carries them. The descriptor stays the caller's. */
  readonly send: (message: Uint8Array, fd: number | undefined) => Promise<void>;
  /** The next message; undefined at the end of the connection. Rejects when it broke. */
  readonly receive: () => Promise<Uint8Array | undefined>;
  /** Ends the connection. Idempotent. */
  readonly close: () => void;
  /** Resolves when the connection has ended, by either side. */
  readonly closed: Promise<void>;
}
