// The shell script that turns a fresh mount namespace into a container's root and becomes the container (decision W21).
// Comes in: what the container may see and be. Goes out: text for /bin/sh. Pure; run as root by `netns-sandbox.ts`.
import type { HostMount } from './sandbox.ts';

/** Facts about the machine that decide how system folders appear. */
export interface HostLayout {
  /** Link target for `/bin`, `/lib` and so on where they are links, else undefined; absent folders are left out. */
  readonly systemFolders: readonly { readonly path: string; readonly link: string | undefined }[];
  /** Files and folders of /etc that are shown read-only (certificates, linker cache). */
  readonly etc: readonly string[];
}

/** What the container is. */
export interface RootPlan {
  /** Empty folder on the host where the root is put together. */
  readonly root: string;
  /** Folder with the generated files of /etc. */
  readonly etcDir: string;
  /** File that receives the process id on the host. */
  readonly pidFile: string;
  /** cgroup.procs files to join; failures are ignored. */
  readonly cgroups: readonly string[];
  readonly hostname: string;
  readonly ambitHome: string;
  /** The Node.js executable, shown as /opt/node/bin/node. */
  readonly nodeBinary: string;
  /** Folders under the checkout that are hidden (the state folder when it lies inside). Relative to the checkout. */
  readonly hidden: readonly string[];
  readonly mounts: readonly HostMount[];
  readonly sharedPid: boolean;
  readonly user: number;
  readonly group: number;
  /** Lower-case names without `cap_`. */
  readonly capabilities: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly argv: readonly string[];
}

/** Where the checkout appears inside every container. */
export const CONTAINER_HOME = '/opt/ambit';
/** Where the Node.js executable appears inside every container. */
export const CONTAINER_NODE = '/opt/node/bin/node';

/** Quotes a word for /bin/sh. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command at a terminal of its own; its exit status is kept. */
export function atTerminal(argv: readonly string[]): string[] {
  return ['script', '-qefc', argv.map(quote).join(' '), '/dev/null'];
}

/** Builds the script. It ends in `exec` of the command, or with status 128 and a text on stderr. */
export function buildRootScript(plan: RootPlan, layout: HostLayout): string {
  return [
    'set -e',
    'fail() { echo "container set-up failed: $1" >&2; exit 128; }',
    'read -r pid rest < /proc/self/stat',
    `echo "$pid" > ${quote(plan.pidFile)}`,
    ...plan.cgroups.map((file) => `echo 0 > ${quote(file)} 2>/dev/null || true`),
    'mount --make-rslave /',
    `R=${quote(plan.root)}`,
    'mount -t tmpfs -o mode=0755,size=16m,nosuid tmpfs "$R"',
    'cd "$R"',
    'mkdir -p usr etc proc dev/shm tmp run var/log opt/ambit opt/node/bin sys .old root home',
    'ln -s ../run var/run; ln -s /tmp var/tmp',
    bind('/usr', 'usr'),
    ...layout.systemFolders.map(({ path, link }) =>
      link === undefined
        ? `mkdir -p ${quote(path.slice(1))}; ${bind(path, path.slice(1))}`
        : `ln -s ${quote(link)} ${quote(path.slice(1))}`,
    ),
    ...layout.etc.map((path) => bindAny(path, path.slice(1))),
    `cp -R ${quote(plan.etcDir)}/. etc/`,
    bind(plan.ambitHome, 'opt/ambit'),
    ...plan.hidden.map((path) => `mount -t tmpfs -o mode=0755,size=1m,ro tmpfs ${quote(`opt/ambit/${path}`)}`),
    bindAny(plan.nodeBinary, 'opt/node/bin/node'),
    ...deviceLines(),
    'mount -t tmpfs -o mode=1777,size=256m,nosuid,nodev tmpfs tmp',
    plan.sharedPid ? 'mount --bind /proc proc' : 'mount -t proc -o nosuid,nodev,noexec proc proc',
    ...orderMounts(plan.mounts).map(mountLine),
    `echo ${quote(plan.hostname)} > /proc/sys/kernel/hostname || true`,
    'ulimit -n 65536 2>/dev/null || true',
    'pivot_root . .old',
    'cd /',
    'umount -l /.old',
    'rmdir /.old',
    'mount -o remount,ro,nosuid /',
    `cd ${quote(plan.workingDir)} || fail "no folder ${plan.workingDir.replaceAll('"', '')}"`,
    `exec ${privileges(plan).map(quote).join(' ')} ${environment(plan.env)} ${plan.argv.map(quote).join(' ')}`,
    '',
  ].join('\n');
}

function bind(source: string, target: string): string {
  return `mount --bind -o ro,nosuid ${quote(source)} ${quote(target)}`;
}

function bindAny(source: string, target: string): string {
  const parent = target.slice(0, Math.max(0, target.lastIndexOf('/')));
  const prepare = `if [ -d ${quote(source)} ]; then mkdir -p ${quote(target)}; else mkdir -p ${quote(parent === '' ? '.' : parent)}; : > ${quote(target)}; fi`;
  return `${prepare}; ${bind(source, target)}`;
}

function deviceLines(): string[] {
  const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
  return [
    ...devices.map((name) => `: > dev/${name}; mount --bind /dev/${name} dev/${name}`),
    'ln -s /proc/self/fd dev/fd; ln -s /proc/self/fd/0 dev/stdin; ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr',
    'mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs dev/shm',
    // Terminals of `exec -it`; a kernel without them only loses that.
    'mkdir -p dev/pts; mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid devpts dev/pts 2>/dev/null || true; ln -s pts/ptmx dev/ptmx',
  ];
}

// A mount below another one has to come after it.
function orderMounts(mounts: readonly HostMount[]): HostMount[] {
  return [...mounts].sort((a, b) => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0));
}

function mountLine({ source, target, readOnly }: HostMount): string {
  const inside = target.startsWith('/') ? target.slice(1) : target;
  const parent = inside.slice(0, Math.max(0, inside.lastIndexOf('/')));
  return [
    `if [ -d ${quote(source)} ]; then mkdir -p ${quote(inside)}; else mkdir -p ${quote(parent === '' ? '.' : parent)}; [ -e ${quote(inside)} ] || : > ${quote(inside)}; fi`,
    `mount --rbind ${quote(source)} ${quote(inside)}`,
    ...(readOnly ? [`mount -o remount,bind,ro ${quote(inside)}`] : []),
  ].join('; ');
}

function privileges(plan: RootPlan): string[] {
  const caps = ['-all', ...plan.capabilities.map((name) => `+${name}`)].join(',');
  return [
    'setpriv',
    '--reuid',
    String(plan.user),
    '--regid',
    String(plan.group),
    '--clear-groups',
    '--bounding-set',
    caps,
    '--inh-caps',
    '-all',
    ...(plan.capabilities.length === 0 ? ['--no-new-privs'] : []),
    '--',
  ];
}

function environment(env: Readonly<Record<string, string>>): string {
  return ['/usr/bin/env -i', ...Object.entries(env).map(([name, value]) => quote(`${name}=${value}`))].join(' ');
}
