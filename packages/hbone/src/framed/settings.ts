// SETTINGS payloads: ours out, the peer's in (RFC 9113 6.5). Pure. Called by connection.ts.
import type { ConnectionLimits } from './stream.ts';
import { DEFAULT_FRAME_BYTES, ErrorCode, Http2ProtocolError, MAX_WINDOW_BYTES, Setting } from './protocol.ts';

const ENTRY_BYTES = 6;
const MAX_FRAME_LIMIT = 2 ** 24 - 1;

/** What the peer told us. */
export interface PeerSettings {
  initialWindowBytes: number;
  maxFrameBytes: number;
  /** Streams that it lets us open; undefined: no limit told. */
  maxConcurrentStreams: number | undefined;
  headerTableBytes: number;
  /** It takes the extended CONNECT (RFC 8441). */
  takesExtendedConnect: boolean;
}

/** Our settings as a payload (spec node-proxy 2.4). */
export function settingsPayload(isServer: boolean, limits: ConnectionLimits): Buffer {
  const entries: (readonly [id: number, value: number])[] = [
    isServer ? [Setting.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams] : [Setting.ENABLE_PUSH, 0],
    [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
    [Setting.MAX_FRAME_SIZE, limits.maxFrameBytes],
    [Setting.MAX_HEADER_LIST_SIZE, limits.maxHeaderListBytes],
  ];
  if (limits.takesExtendedConnect === true) entries.push([Setting.ENABLE_CONNECT_PROTOCOL, 1]);
  const payload = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [index, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, index * ENTRY_BYTES);
    payload.writeUInt32BE(value, index * ENTRY_BYTES + 2);
  }
  return payload;
}

/** Applies a payload, the last value of a parameter winning; unknown ones are ignored. Throws Http2ProtocolError. */
export function applySettings(peer: PeerSettings, isServer: boolean, bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const value = bytes.readUInt32BE(at + 2);
    switch (bytes.readUInt16BE(at)) {
      case Setting.HEADER_TABLE_SIZE:
        peer.headerTableBytes = value;
        break;
      case Setting.ENABLE_PUSH:
        if (value > 1 || (value === 1 && !isServer)) throw invalid('ENABLE_PUSH', value);
        break;
      case Setting.MAX_CONCURRENT_STREAMS:
        peer.maxConcurrentStreams = value;
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > MAX_WINDOW_BYTES) throw invalid('INITIAL_WINDOW_SIZE', value, ErrorCode.FLOW_CONTROL_ERROR);
        peer.initialWindowBytes = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_LIMIT) throw invalid('MAX_FRAME_SIZE', value);
        peer.maxFrameBytes = value;
        break;
      case Setting.ENABLE_CONNECT_PROTOCOL:
        if (value > 1) throw invalid('ENABLE_CONNECT_PROTOCOL', value);
        peer.takesExtendedConnect = value === 1;
        break;
      default:
        break;
    }
  }
}

function invalid(name: string, value: number, code: number = ErrorCode.PROTOCOL_ERROR): Http2ProtocolError {
  return new Http2ProtocolError(code, `invalid value ${value} of SETTINGS_${name}`);
}
