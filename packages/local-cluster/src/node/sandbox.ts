// The border between pod life and the machine: what a pod needs from network namespaces or loopback addresses.
// One implementation per mode (`netns-sandbox.ts`, `loopback-sandbox.ts`); everything above knows only this. Main thread.
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Pod } from '../controllers/objects.ts';
import type { ResolvedImage } from './images.ts';

/** A directory or file of the host that appears in a container. */
export interface HostMount {
  /** Absolute path on the host. */
  readonly source: string;
  /** Absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** Everything needed to start one container process. */
export interface ContainerStart {
  /** 64 hexadecimal digits, as in `ambit://<id>`. */
  readonly id: string;
  readonly name: string;
  readonly image: ResolvedImage;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  /** limits.memory in bytes. */
  readonly memoryBytes: number | undefined;
  readonly mounts: readonly HostMount[];
  /** Capabilities the container asks for (`NET_ADMIN`); what the image's grant lacks is not given. */
  readonly capabilities: readonly string[] | undefined;
  /** Keeps an open standard input for `attach`. */
  readonly stdin: boolean;
  /** Runs at a terminal of its own. */
  readonly tty: boolean;
  /** Folder for this container's own files; made and owned by the caller. */
  readonly dir: string;
}

/** How a container process ended. */
export interface ContainerExit {
  readonly exitCode: number;
  readonly signal: number | undefined;
  /** The kernel ended it for want of memory. */
  readonly isOutOfMemory?: boolean;
}

/** A command running beside a container's main process. */
export interface ExecProcess {
  /** Process id on the host; undefined when it could not be started. */
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit code, 137 when a signal ended it. Never rejects. */
  readonly exited: Promise<number>;
}

/** A running container process. */
export interface ContainerProcess {
  /** Process id on the host, for the record of leftovers. */
  readonly pid: number;
  /** Present when the container keeps its input open. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process and its group are gone. Never rejects. */
  readonly exited: Promise<ContainerExit>;
  /** Asks it to end. A process that would ignore the request for want of a handler is ended at once. */
  terminate(): void;
  /** Ends it and everything it started. */
  kill(): void;
  /** Starts another process beside it. */
  exec(argv: readonly string[], options: { readonly tty: boolean }): ExecProcess;
}

/** The network and file side of one pod. Owner: the pod worker, which calls `remove` exactly once. */
export interface PodSandbox {
  readonly ip: string;
  /** Numeric user of the pod's processes. */
  readonly user: number;
  /** False in loopback mode: its processes run as whoever runs the cluster, and no promise about their user is held. */
  readonly hasOwnUser: boolean;
  startContainer(start: ContainerStart): Promise<ContainerProcess>;
  /** Connects to the pod from its node, with a node source address (probes, hooks). */
  dialFromNode(port: number, host: string | undefined, timeoutMs: number): Promise<Duplex>;
  /** Connects inside the pod to its own loopback address (port-forward). */
  dialInside(port: number, timeoutMs: number): Promise<Duplex>;
  /** Ends every process left and takes the network away. Idempotent. */
  remove(): Promise<void>;
}

/** What a node offers to its pods. */
export interface SandboxFactory {
  /** Makes the network of a pod. Rejects when that fails; nothing is left behind then. */
  create(request: {
    readonly pod: Pod;
    readonly dir: string;
    readonly files: EtcFiles;
    readonly isRoot: boolean;
  }): Promise<PodSandbox>;
  /** The host folder behind a hostPath volume of this node, or undefined when pods never get that path. */
  hostPath(path: string, image: readonly ResolvedImage[]): string | undefined;
  /** Variables every container gets, before its own. */
  baseEnv(image: ResolvedImage): Record<string, string>;
}

/** Settings for the generated files in `/etc`; the sandbox knows the pod's address only after it was made. */
export interface EtcFiles {
  readonly hostname: string;
  readonly resolvConf: string;
  hosts(podIp: string): string;
}
