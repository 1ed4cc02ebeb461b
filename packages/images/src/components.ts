// The images of the mesh: name, program, user, tools. A table; names are those of the charts. Called by build.ts and main.ts.

/** One image. */
export interface Component {
  /** Name on the command line and of the archive. */
  readonly name: string;
  /** Name of the image, as the charts ask for it. */
  readonly image: string;
  readonly title: string;
  /** Folder of the program in this repository. */
  readonly folder: string;
  /** Programs of the machine that it starts; shared libraries come along. */
  readonly tools: readonly string[];
  /** Folders of modules that those programs load at run time, below the folder of shared libraries. */
  readonly modules: readonly string[];
  /** `uid:gid`. */
  readonly user: string;
  /**
   * Entries below `dist/src`, emitted JavaScript, that are joined with all they import into one file each: a start reads those few
   * instead of hundreds. The first is the program, the others are entries of its threads. Empty: the program starts from `dist/src/main.js`.
   */
  readonly bundled: readonly string[];
  /** Arguments of Node.js. */
  readonly nodeArguments: readonly string[];
  /** Settings of the C library and of Node.js, beside PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** The CNI plugin lies in /opt/cni/bin. */
  readonly hasPlugin: boolean;
}

/** Who runs what needs no rights. */
const NOBODY = '65532:65532';
/** Namespaces and rules of the node; the charts drop every capability that is not needed. */
const ROOT = '0:0';

const iptables = ['iptables', 'ip6tables'].flatMap((family) =>
  ['', '-nft', '-legacy'].flatMap((variant) =>
    ['', '-save', '-restore'].map((action) => `/usr/sbin/${family}${variant}${action}`),
  ),
);

/** Every image, in the order they are built. */
export const components: readonly Component[] = [
  {
    name: 'control-plane',
    image: 'pilot',
    title: 'Ambit control plane',
    folder: 'packages/control-plane',
    tools: [],
    modules: [],
    user: NOBODY,
    bundled: [],
    nodeArguments: [],
    environment: {},
    hasPlugin: false,
  },
  {
    name: 'node-proxy',
    image: 'ztunnel',
    title: 'Ambit node proxy',
    folder: 'daemonset/node-proxy',
    tools: [],
    modules: [],
    user: ROOT,
    bundled: ['main.js', 'threads/data-thread.js'],
    // What they save and cost: packages/docs/performance.md, `bench node-proxy`.
    nodeArguments: ['--max-semi-space-size=4'],
    environment: { MALLOC_ARENA_MAX: '2' },
    hasPlugin: false,
  },
  {
    name: 'waypoint',
    image: 'proxyv2',
    title: 'Ambit waypoint',
    folder: 'waypoint',
    tools: [],
    modules: [],
    user: NOBODY,
    bundled: [],
    nodeArguments: [],
    environment: {},
    hasPlugin: false,
  },
  {
    name: 'node-agent',
    image: 'install-cni',
    title: 'Ambit node agent',
    folder: 'daemonset/node-agent',
    tools: ['/usr/bin/ip', '/usr/bin/ss', '/usr/bin/nsenter', '/usr/sbin/nft', '/usr/sbin/ipset', ...iptables],
    modules: ['xtables'],
    user: ROOT,
    bundled: [],
    nodeArguments: [],
    environment: {},
    hasPlugin: true,
  },
];
