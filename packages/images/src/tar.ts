/**
 * In: files, links and folders. Out: a tar archive whose bytes depend on nothing else: sorted, owned by root, one fixed time. Pure.
 *
 * Format: POSIX.1-2001 `ustar`, with a `pax` header where a path or a target is too long. Called by image.ts and archive.ts.
 */
import { ImageError } from './errors.ts';

/** One entry; `path` is relative, without `./` and without a slash at its end. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly content: Buffer; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number };

const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
/** The largest size that eleven octal digits hold. */
const MAX_FILE_BYTES = 0o77777777777;

/** The entries with every folder above them, each path once, sorted by bytes. Throws ERR_IMAGES_PATH on two different files of one path. */
export function completeEntries(entries: readonly TarEntry[]): readonly TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) {
    checkPath(entry.path);
    const known = byPath.get(entry.path);
    if (known !== undefined && !areSame(known, entry))
      throw new ImageError('ERR_IMAGES_PATH', `two different entries have the path ${entry.path}`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const folder = path.slice(0, end);
      const above = byPath.get(folder);
      if (above === undefined) byPath.set(folder, { kind: 'folder', path: folder, mode: 0o755 });
      else if (above.kind !== 'folder')
        throw new ImageError('ERR_IMAGES_PATH', `${path} lies under ${folder}, which is a ${above.kind}`);
    }
  }
  return [...byPath.values()].toSorted((left, right) =>
    Buffer.compare(Buffer.from(left.path), Buffer.from(right.path)),
  );
}

/** The archive, piece by piece, in the order given. `seconds`: time of every entry since 1970. */
export function* tarPieces(entries: Iterable<TarEntry>, seconds: number): Generator<Buffer> {
  for (const entry of entries) {
    const name = entry.kind === 'folder' ? `${entry.path}/` : entry.path;
    const target = entry.kind === 'link' ? entry.target : '';
    const records = [...longRecord('path', name), ...longRecord('linkpath', target)];
    if (records.length > 0) {
      const text = Buffer.from(records.join(''));
      yield header({ name: 'pax', size: text.length, mode: 0o644, type: 'x', target: '' }, seconds);
      yield* padded(text);
    }
    const content = entry.kind === 'file' ? entry.content : Buffer.alloc(0);
    if (content.length > MAX_FILE_BYTES)
      throw new ImageError('ERR_IMAGES_PATH', `${entry.path} is too large for an archive`);
    const mode = entry.kind === 'link' ? 0o777 : entry.mode;
    yield header({ name, size: content.length, mode, type: types[entry.kind], target }, seconds);
    yield* padded(content);
  }
  yield Buffer.alloc(2 * BLOCK_BYTES);
}

const types = { file: '0', link: '2', folder: '5' } as const;

interface Header {
  readonly name: string;
  readonly size: number;
  readonly mode: number;
  readonly type: string;
  readonly target: string;
}

function header({ name, size, mode, type, target }: Header, seconds: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, at: number, digits: number): number =>
    block.write(value.toString(8).padStart(digits, '0'), at, digits, 'latin1');
  block.write(name, 0, NAME_BYTES);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(size, 124, 11);
  octal(seconds, 136, 11);
  block.fill(' ', 148, 156);
  block.write(type, 156);
  block.write(target, 157, NAME_BYTES);
  block.write('ustar\x0000', 257, 'latin1');
  octal(0, 329, 7);
  octal(0, 337, 7);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A pax record when the text does not fit into a header. Its length counts its own digits. */
function longRecord(key: string, value: string): readonly string[] {
  if (Buffer.byteLength(value) <= NAME_BYTES) return [];
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  const guess = bytes + String(bytes).length;
  const length = bytes + String(guess).length;
  return [`${length}${rest}`];
}

function* padded(content: Buffer): Generator<Buffer> {
  if (content.length === 0) return;
  yield content;
  const over = content.length % BLOCK_BYTES;
  if (over > 0) yield Buffer.alloc(BLOCK_BYTES - over);
}

function checkPath(path: string): void {
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..') || path.includes('\0'))
    throw new ImageError('ERR_IMAGES_PATH', `the path ${JSON.stringify(path)} is not relative and clean`);
}

function areSame(left: TarEntry, right: TarEntry): boolean {
  if (left.kind === 'file' && right.kind === 'file')
    return left.mode === right.mode && left.content.equals(right.content);
  if (left.kind === 'link' && right.kind === 'link') return left.target === right.target;
  return left.kind === 'folder' && right.kind === 'folder' && left.mode === right.mode;
}
