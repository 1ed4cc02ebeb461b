/**
 * In: files of this Debian machine. Out: the same with every shared library they need as entries of a layer, and the Debian packages they
 * belong to. Runs `ldd` and `dpkg-query`; what they print is read by pure functions.
 *
 * Called by build.ts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ImageError } from '../errors.ts';
import type { Part } from '../sbom.ts';
import type { TarEntry } from '../tar.ts';
import type { Gathered } from './program-layer.ts';

/** Folders that modern Debian has as links. */
const merged = ['bin', 'lib', 'lib64', 'sbin'];

/** Paths of shared libraries in the text of `ldd`; throws ERR_IMAGES_MACHINE when one is missing. Pure. */
export function parseLibraries(text: string, program: string): readonly string[] {
  return text.split('\n').flatMap((line) => {
    if (line.includes('=> not found'))
      throw new ImageError(
        'ERR_IMAGES_MACHINE',
        `${program} needs ${line.trim().split(' ')[0]}, which this machine lacks`,
      );
    const path = line
      .trim()
      .split(' ')
      .find((word) => word.startsWith('/'));
    return path === undefined ? [] : [path];
  });
}

/** Place of a file in an image: relative, below `usr/` as on merged Debian. Pure. */
export function placeOf(path: string): string {
  const [first = '', ...rest] = path.split('/').filter((part) => part !== '');
  return merged.includes(first) ? ['usr', first, ...rest].join('/') : [first, ...rest].join('/');
}

/** Short names of licences in a copyright file of Debian, when it is written for machines. Pure. */
export function licencesIn(copyright: string): readonly string[] {
  const names = copyright
    .split('\n')
    .filter((line) => line.startsWith('License:'))
    .map((line) => line.slice('License:'.length).trim())
    .filter((name) => name !== '' && name.length < 80);
  return [...new Set(names)].toSorted();
}

/** Libraries that programs need, and nothing else: for programs that are placed elsewhere. */
export function gatherLibraries(programs: readonly string[]): Gathered {
  return withPackages(
    programs.flatMap((program) => librariesOf(program)),
    [],
  );
}

/** Programs of this machine, modules that they load, and all their libraries. Throws ERR_IMAGES_MACHINE naming what is missing. */
export function gatherTools(tools: readonly string[], moduleFolders: readonly string[]): Gathered {
  for (const tool of tools)
    if (!existsSync(tool))
      throw new ImageError('ERR_IMAGES_MACHINE', `${tool} is not installed on this machine`, {
        hint: 'apt-get install nftables iptables ipset util-linux',
      });
  const modules = moduleFolders.flatMap((folder) => globSync(`/usr/lib/*-linux-gnu/${folder}/*.so`));
  // One program under many names: its file once, the names as links.
  const real = [...new Set(tools.map((tool) => realpathSync(tool)))];
  const links: TarEntry[] = tools
    .filter((tool) => realpathSync(tool) !== tool)
    .map((tool) => ({ kind: 'link', path: placeOf(tool), target: `/${placeOf(realpathSync(tool))}` }));
  const files = [...real, ...modules];
  return withPackages([...files, ...files.flatMap((file) => librariesOf(file))], links);
}

/** The links of merged Debian, users, and the folders that every image has. */
export function rootEntries(): readonly TarEntry[] {
  const text = (path: string, content: string): TarEntry => ({
    kind: 'file',
    path,
    content: Buffer.from(content),
    mode: 0o644,
  });
  return [
    ...merged.map((name): TarEntry => ({ kind: 'link', path: name, target: `usr/${name}` })),
    ...merged.map((name): TarEntry => ({ kind: 'folder', path: `usr/${name}`, mode: 0o755 })),
    { kind: 'folder', path: 'tmp', mode: 0o1777 },
    { kind: 'folder', path: 'run', mode: 0o755 },
    { kind: 'folder', path: 'var/run', mode: 0o755 },
    text('etc/passwd', 'root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n'),
    text('etc/group', 'root:x:0:\nnonroot:x:65532:\n'),
    text('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
    text('usr/lib/os-release', readFileSync('/etc/os-release', 'utf8')),
    { kind: 'link', path: 'etc/os-release', target: '../usr/lib/os-release' },
  ];
}

function librariesOf(program: string): readonly string[] {
  return parseLibraries(run('ldd', [program]), program);
}

function withPackages(paths: readonly string[], links: readonly TarEntry[]): Gathered {
  const unique = [...new Set(paths)];
  const files = unique.map((path): TarEntry => ({
    kind: 'file',
    path: placeOf(path),
    content: readFileSync(path),
    mode: 0o755,
  }));
  const names = [...new Set(unique.map((path) => ownerOf(path)))].toSorted();
  const described = names.map((name) => describe(name));
  return {
    entries: [...files, ...links, ...described.flatMap(({ entries }) => entries)],
    parts: described.map(({ part }) => part),
  };
}

/** The Debian package of a file; its database may know it under the path before the merge. */
function ownerOf(path: string): string {
  const real = realpathSync(path);
  const candidates = [path, join(realpathSync(dirname(path)), basename(path)), real].flatMap((each) =>
    each.startsWith('/usr/') ? [each, each.slice('/usr'.length)] : [each, `/usr${each}`],
  );
  for (const candidate of new Set(candidates)) {
    try {
      const [owner] = run('dpkg-query', ['-S', candidate]).split(': ');
      if (owner !== undefined && owner !== '') return owner;
    } catch {
      // Not under this name.
    }
  }
  throw new ImageError('ERR_IMAGES_MACHINE', `${path} belongs to no Debian package`, {
    hint: 'build on a Debian machine whose libraries come from packages, so that licences and versions are known',
  });
}

/** A package's part, with what scanners and lawyers look for in an image. */
function describe(owner: string): { readonly part: Part; readonly entries: readonly TarEntry[] } {
  const fields = run('dpkg-query', ['-W', '-f', '${Package}\\n${Version}\\n${Architecture}\\n', owner]).split('\n');
  const [name = owner, version = '', architecture = ''] = fields;
  const documents = `/usr/share/doc/${name}/copyright`;
  const copyright = existsSync(documents) ? readFileSync(documents, 'utf8') : '';
  const status = Buffer.from(run('dpkg-query', ['-s', owner]));
  const entries: TarEntry[] = [{ kind: 'file', path: `var/lib/dpkg/status.d/${name}`, content: status, mode: 0o644 }];
  if (copyright !== '')
    entries.push({ kind: 'file', path: placeOf(documents), content: Buffer.from(copyright), mode: 0o644 });
  const debian = { distribution: distribution(), architecture };
  return { part: { origin: 'deb', name, version, licences: licencesIn(copyright), debian }, entries };
}

function distribution(): string {
  const line = readFileSync('/etc/os-release', 'utf8')
    .split('\n')
    .find((each) => each.startsWith('ID='));
  return line?.slice('ID='.length).replaceAll('"', '') ?? 'debian';
}

function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
  } catch (cause) {
    throw new ImageError('ERR_IMAGES_MACHINE', `${program} ${args.join(' ')} failed`, {
      cause,
      hint: 'images are built on Debian or a distribution made from it',
    });
  }
}
