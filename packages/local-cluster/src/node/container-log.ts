// Log files of containers in the CRI format, and reading them for the log API.
// Comes in: what a container writes. Goes out: one file per run (`<restart>.log`), cut at 10 MiB; readers may follow.
// Main thread; writing never waits for readers.
import { createWriteStream, existsSync, readFileSync, renameSync } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { join } from 'node:path';
import { EventEmitter, once } from 'node:events';

/** Writes one run of one container. */
export interface ContainerLog {
  readonly file: string;
  write(stream: 'stdout' | 'stderr', chunk: Buffer): void;
  /** Writes what waits without a line end and closes the file; resolves when all of it is in the file. */
  end(): Promise<void>;
  readonly isEnded: boolean;
  /** Emits `line` after every write and at the end. */
  readonly changes: EventEmitter;
}

/** Which part of a log is wanted. */
export interface LogSelection {
  readonly tailLines: number | undefined;
  readonly sinceMs: number | undefined;
  readonly limitBytes: number | undefined;
  readonly timestamps: boolean;
}

const MAX_FILE_BYTES = 10 * (1 << 20);
const MAX_LINE_BYTES = 16 * 1024;

/** Opens the log of run number `restart` in `dir`. */
export function createContainerLog(dir: string, restart: number): ContainerLog {
  const file = join(dir, `${restart}.log`);
  const changes = new EventEmitter();
  changes.setMaxListeners(0);
  const partial = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  let out: WriteStream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  let bytes = 0;
  let isEnded = false;
  out.on('error', () => undefined); // a full disk loses log lines, never the container

  const emit = (stream: string, tag: 'F' | 'P', line: Buffer): void => {
    const text = `${timestamp()} ${stream} ${tag} ${line.toString('utf8')}\n`;
    bytes += text.length;
    out.write(text);
    if (bytes > MAX_FILE_BYTES) rotate();
  };
  const rotate = (): void => {
    out.end();
    renameSync(file, `${file}.old`);
    out = createWriteStream(file, { flags: 'a', mode: 0o600 });
    out.on('error', () => undefined);
    bytes = 0;
  };

  return {
    file,
    changes,
    get isEnded() {
      return isEnded;
    },
    write: (stream, chunk) => {
      if (isEnded) return;
      let rest = partial[stream].length === 0 ? chunk : Buffer.concat([partial[stream], chunk]);
      for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
        emit(stream, 'F', rest.subarray(0, end));
        rest = rest.subarray(end + 1);
      }
      while (rest.length >= MAX_LINE_BYTES) {
        emit(stream, 'P', rest.subarray(0, MAX_LINE_BYTES));
        rest = rest.subarray(MAX_LINE_BYTES);
      }
      partial[stream] = Buffer.from(rest);
      out.write('', () => changes.emit('line'));
    },
    end: () => {
      if (isEnded) return Promise.resolve();
      for (const stream of ['stdout', 'stderr'] as const) {
        if (partial[stream].length > 0) emit(stream, 'F', partial[stream]);
      }
      isEnded = true;
      return new Promise((resolve) => {
        out.once('error', () => resolve());
        out.end(() => {
          changes.emit('line');
          resolve();
        });
      });
    },
  };
}

// Nine digits, as the format wants them; the clock has three.
function timestamp(): string {
  return `${new Date().toISOString().slice(0, -1)}000000Z`;
}

interface LogLine {
  readonly time: string;
  readonly isPartial: boolean;
  readonly text: string;
}

function parseLine(line: string): LogLine {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  const third = line.indexOf(' ', second + 1);
  return { time: line.slice(0, first), isPartial: line.slice(second + 1, third) === 'P', text: line.slice(third + 1) };
}

function render(line: LogLine, timestamps: boolean): string {
  return `${timestamps ? `${line.time} ` : ''}${line.text}${line.isPartial ? '' : '\n'}`;
}

/** The last lines of a log file's text without their heads, at most so many bytes. */
export function tailOfLog(text: string, lines: number, bytes: number): string {
  const all = text.split('\n').filter((line) => line !== '');
  const tail = all
    .slice(-lines)
    .map((line) => render(parseLine(line), false))
    .join('');
  return Buffer.from(tail).subarray(-bytes).toString('utf8');
}

/** Reads a log file as the API answers it; follows `live` until it ends when given. */
export async function* readContainerLog(
  file: string,
  selection: LogSelection,
  live: ContainerLog | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let sent = 0;
  let offset = 0;
  let rest = '';
  let isFirst = true;
  for (;;) {
    const isLast = live === undefined || live.isEnded;
    const waiting = isLast ? undefined : once(live.changes, 'line', { signal }).catch(() => undefined);
    const bytes = readFrom(file, offset);
    if (bytes.length < 0) offset = 0;
    offset += bytes.length;
    const texts = (rest + bytes.toString('utf8')).split('\n');
    rest = texts.pop() ?? '';
    let lines = texts.filter((text) => text !== '').map(parseLine);
    if (selection.sinceMs !== undefined) {
      const since = selection.sinceMs;
      lines = lines.filter((line) => Date.parse(line.time) >= since);
    }
    if (isFirst && selection.tailLines !== undefined)
      lines = selection.tailLines === 0 ? [] : lines.slice(-selection.tailLines);
    isFirst = false;
    for (const line of lines) {
      const text = render(line, selection.timestamps);
      sent += text.length;
      yield selection.limitBytes !== undefined && sent > selection.limitBytes
        ? text.slice(0, selection.limitBytes - sent)
        : text;
      if (selection.limitBytes !== undefined && sent >= selection.limitBytes) return;
    }
    if (isLast || signal.aborted) return;
    await waiting;
  }
}

function readFrom(file: string, offset: number): Buffer {
  const older = offset === 0 && existsSync(`${file}.old`) ? readFileSync(`${file}.old`) : Buffer.alloc(0);
  if (!existsSync(file)) return older;
  const current = readFileSync(file);
  if (older.length > 0) return Buffer.concat([older, current]);
  return current.subarray(Math.min(offset, current.length));
}
