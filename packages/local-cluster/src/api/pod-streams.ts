/**
 * What the API server asks of the node runtime for pod subresources (log, exec, attach, portforward). The node runtime
 * implements it and passes it to `createApiServer`; the server does the HTTP and WebSocket side. Types only.
 */

import type { Duplex, Readable, Writable } from 'node:stream';
import type { KubeObject } from '../store/kube-object.ts';

/** A request for the log of one container; the container name is already checked against the pod. */
export interface LogRequest {
  readonly pod: KubeObject;
  readonly container: string;
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  /** Only lines at or after this time (from sinceSeconds or sinceTime). */
  readonly sinceMs: number | undefined;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** Terminal size in characters, for a tty. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

/** A request to run a command in a container, or (no command) to attach to its main process. */
export interface ExecRequest {
  readonly pod: KubeObject;
  readonly container: string;
  /** Empty for attach. */
  readonly command: readonly string[];
  readonly tty: boolean;
  /** Present only when the client asked for it. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  /** Calls back for every resize of the client's terminal. */
  readonly onResize: (listener: (size: TerminalSize) => void) => void;
  readonly signal: AbortSignal;
}

/** How a command ended; attach answers 0 when it was left. */
export interface ExecResult {
  readonly exitCode: number;
}

/** The pod side of the streaming subresources. Failures reject with an Error whose message reaches the user. */
export interface PodStreams {
  /** Chunks of plain text; ends when the container ends (follow) or the file does. */
  log(request: LogRequest): AsyncIterable<Buffer | string>;
  exec(request: ExecRequest): Promise<ExecResult>;
  attach(request: ExecRequest): Promise<ExecResult>;
  /** Connects to the port inside the pod's network; the server joins it with the client's stream. */
  portForward(request: {
    readonly pod: KubeObject;
    readonly port: number;
    readonly signal: AbortSignal;
  }): Promise<Duplex>;
}
