// Loaded into every Node.js container of the loopback mode (`--import`): makes an unchanged program live on its pod's
// loopback address. Comes in: AMBIT_LOOPBACK_POD_IP, AMBIT_LOOPBACK_RELAY,
// AMBIT_LOOPBACK_MOUNTS, AMBIT_LOOPBACK_WORKING_DIR. Goes out: patched
// `net`, `dgram`, `dns` and `fs`. Runs before the program, on every thread. Needs nothing but Node.js.
//
// - listen on a wildcard or localhost            -> the pod's address
// - connect to localhost                         -> the pod's address
// - connect to a cluster name, service, or pod   -> a listener of the node's relay that leads there (SOCKS5 command MAP)
// - connect with a localAddress, listen on an explicit other address: left alone (that is what the node proxy does)
// - dns.lookup of cluster names                  -> asked of the relay (SOCKS5 command RESOLVE)
// - file and Unix socket paths below a volume    -> the volume's folder
// oxlint-disable node/no-process-env -- the environment is how the node runtime speaks to this module
import dgram from 'node:dgram';
import dns from 'node:dns';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import os from 'node:os';
import { resolve as resolvePath } from 'node:path';

const {
  AMBIT_LOOPBACK_POD_IP: podIp,
  AMBIT_LOOPBACK_RELAY: relay = '',
  AMBIT_LOOPBACK_MOUNTS: mountsText = '{}',
  AMBIT_LOOPBACK_WORKING_DIR: workingDir = '/',
} = process.env;

// The checkout that programs run from stays where it is, even when a volume is mounted above it (a checkout below /tmp).
const checkout = resolvePath(import.meta.dirname, '../../..');

if (podIp !== undefined) {
  const mounts = Object.entries(JSON.parse(mountsText)).sort((a, b) => b[0].length - a[0].length);
  patchFiles(mounts);
  const { HOSTNAME } = process.env;
  if (HOSTNAME !== undefined) os.hostname = () => HOSTNAME;
  patchNetwork(podIp, relay, (path) => mapPath(mounts, path));
  syncBuiltinESMExports();
}

function mapPath(mounts, path) {
  if (typeof path !== 'string') return path;
  // A relative path is meant from the container's working directory, which is not where the process really is.
  const full = resolvePath(workingDir, path);
  const isBelow = (folder) => full === folder || full.startsWith(`${folder}/`);
  // A path that was mapped before (a result of realpath) is not mapped again.
  if (isBelow(checkout) || mounts.some(([, source]) => isBelow(source))) return path;
  for (const [target, source] of mounts) {
    if (isBelow(target)) return source + full.slice(target.length);
  }
  return path;
}

function patchFiles(mounts) {
  if (mounts.length === 0) return;
  const twoPaths = new Set(['rename', 'copyFile', 'cp', 'link']);
  const mapped = (path) =>
    path instanceof URL && path.protocol === 'file:'
      ? mapPath(mounts, decodeURIComponent(path.pathname))
      : mapPath(mounts, path);
  const names = [
    'access',
    'appendFile',
    'chmod',
    'chown',
    'copyFile',
    'cp',
    'createReadStream',
    'createWriteStream',
    'exists',
    'link',
    'lstat',
    'mkdir',
    'mkdtemp',
    'open',
    'opendir',
    'readdir',
    'readFile',
    'readlink',
    'realpath',
    'rename',
    'rm',
    'rmdir',
    'stat',
    'statfs',
    'truncate',
    'unlink',
    'unwatchFile',
    'utimes',
    'watch',
    'watchFile',
    'writeFile',
  ];
  const wrap = (owner, name, key) => {
    const original = owner[name];
    if (typeof original !== 'function') return;
    const patched = function (first, second, ...rest) {
      const args = [mapped(first), twoPaths.has(key) ? mapped(second) : second, ...rest];
      args.length = Math.max(arguments.length, 1);
      return Reflect.apply(original, this, args);
    };
    Object.assign(patched, original); // realpath.native and the like
    owner[name] = patched;
  };
  for (const name of names) {
    wrap(fs, name, name);
    wrap(fs, `${name}Sync`, name);
    wrap(fs.promises, name, name);
  }
}

function patchNetwork(ownIp, relayAddress, mapSocketPath) {
  const [relayHost, relayPort] = relayAddress.split(':');
  const connectOriginal = net.Socket.prototype.connect;
  const lookupOriginal = dns.lookup;
  const known = new Map(); // destination -> { host, port, untilMs }
  const KEEP_MS = 2000;

  const isLocal = (host) =>
    host === undefined ||
    host === null ||
    host === '' ||
    host === 'localhost' ||
    host === '127.0.0.1' ||
    host === '::1' ||
    host === '::ffff:127.0.0.1';
  const isWildcard = (host) => host === '0.0.0.0' || host === '::' || host === '::0';
  const isService = (host) => net.isIPv4(host) && (host.startsWith('10.96.') || host.startsWith('10.97.'));
  const isPod = (host) => host.startsWith('127.244.');

  // One question to the relay; resolves with the address it answers, undefined for "no such name".
  function ask(command, host, port) {
    return new Promise((resolve, reject) => {
      const socket = new net.Socket();
      const ip = net.isIPv4(host) ? Buffer.from(host.split('.').map(Number)) : undefined;
      const name = Buffer.from(host.slice(0, 255), 'latin1');
      const target =
        ip === undefined ? Buffer.concat([Buffer.from([3, name.length]), name]) : Buffer.concat([Buffer.from([1]), ip]);
      const tail = Buffer.from([port >> 8, port & 255]);
      let data = Buffer.alloc(0);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('the relay closed the connection')));
      socket.on('data', (chunk) => {
        data = Buffer.concat([data, chunk]);
        if (data.length < 12) return;
        socket.destroy();
        if (data[3] !== 0) resolve(undefined);
        else resolve({ host: [...data.subarray(6, 10)].join('.'), port: data.readUInt16BE(10) });
      });
      Reflect.apply(connectOriginal, socket, [{ host: relayHost, port: Number(relayPort), localAddress: ownIp }]);
      socket.write(Buffer.concat([Buffer.from([5, 1, 0, 5, command, 0]), target, tail]));
    });
  }

  async function mapDestination(host, port) {
    const key = `${host}:${port}`;
    const present = known.get(key);
    if (present !== undefined && present.untilMs > Date.now()) return present;
    const answer = await ask(0xf1, host, port);
    if (answer === undefined) return undefined;
    if (known.size > 1000) known.clear();
    known.set(key, { ...answer, untilMs: Date.now() + KEEP_MS });
    return answer;
  }

  function optionsOf(args) {
    const [first] = args;
    if (Array.isArray(first)) return { options: { ...first[0] }, callback: first[1] ?? undefined }; // net.connect normalizes
    const callback = typeof args.at(-1) === 'function' ? args.at(-1) : undefined;
    if (typeof first === 'object' && first !== null) return { options: { ...first }, callback };
    if (typeof first === 'string' && Number.isNaN(Number(first))) return { options: { path: first }, callback };
    return { options: { port: Number(first), host: typeof args[1] === 'string' ? args[1] : undefined }, callback };
  }

  net.Socket.prototype.connect = function connect(...args) {
    const { options, callback } = optionsOf(args);
    const plain = (changed) =>
      Reflect.apply(connectOriginal, this, callback === undefined ? [changed] : [changed, callback]);
    if (options.path !== undefined && options.path !== null)
      return plain({ ...options, path: mapSocketPath(options.path) });
    if (options.localAddress) return plain(options);
    const host = options.host;
    if (isLocal(host)) return plain({ ...options, host: ownIp, localAddress: ownIp });
    if (net.isIP(host) !== 0 && !isService(host) && !isPod(host)) {
      return plain(host.startsWith('127.') ? { ...options, localAddress: ownIp } : options);
    }
    if (host === ownIp) return plain({ ...options, localAddress: ownIp });
    // Whoever writes now waits for the connection as with any other socket.
    this.connecting = true;
    mapDestination(host, Number(options.port)).then(
      (answer) => {
        if (this.destroyed) return;
        this.connecting = false;
        if (answer === undefined) plain({ ...options, lookup: options.lookup ?? lookupOriginal });
        else plain({ ...options, host: answer.host, port: answer.port, localAddress: ownIp, lookup: undefined });
      },
      (error) => {
        this.connecting = false;
        this.destroy(error);
      },
    );
    return this;
  };

  const listenOriginal = net.Server.prototype.listen;
  net.Server.prototype.listen = function listen(...args) {
    const [first] = args;
    const isDescriptor =
      typeof first === 'object' &&
      first !== null &&
      (first.fd !== undefined ||
        first._handle !== undefined ||
        first.handle !== undefined ||
        typeof first.getAsyncId === 'function');
    if (isDescriptor) return Reflect.apply(listenOriginal, this, args);
    const callback = typeof args.at(-1) === 'function' ? args.at(-1) : undefined;
    let options;
    if (typeof first === 'object' && first !== null) options = { ...first };
    else if (typeof first === 'string' && Number.isNaN(Number(first))) options = { path: first };
    else {
      options = { port: typeof first === 'function' ? 0 : Number(first ?? 0) };
      if (typeof args[1] === 'string') options.host = args[1];
      const backlog = args.slice(1).find((each) => typeof each === 'number');
      if (backlog !== undefined) options.backlog = backlog;
    }
    if (options.path !== undefined && options.path !== null) options.path = mapSocketPath(options.path);
    else if (isLocal(options.host) || isWildcard(options.host)) options.host = ownIp;
    return Reflect.apply(listenOriginal, this, callback === undefined ? [options] : [options, callback]);
  };

  const bindOriginal = dgram.Socket.prototype.bind;
  dgram.Socket.prototype.bind = function bind(...args) {
    const [first] = args;
    const callback = typeof args.at(-1) === 'function' ? args.at(-1) : undefined;
    let options =
      typeof first === 'object' && first !== null
        ? { ...first }
        : { port: typeof first === 'function' ? 0 : Number(first ?? 0) };
    if (typeof args[1] === 'string') options.address = args[1];
    if (options.fd !== undefined) return Reflect.apply(bindOriginal, this, args);
    if ((isLocal(options.address) || isWildcard(options.address)) && this.type === 'udp4')
      options = { ...options, address: ownIp };
    return Reflect.apply(bindOriginal, this, callback === undefined ? [options] : [options, callback]);
  };

  async function lookupCluster(host, options) {
    if (host === 'localhost') return found(ownIp, options);
    if (typeof host !== 'string' || net.isIP(host) !== 0) return undefined;
    const answer = await ask(0xf0, host, 0).catch(() => undefined);
    return answer === undefined ? undefined : found(answer.host, options);
  }
  const found = (address, options) => (options.all === true ? [{ address, family: 4 }] : { address, family: 4 });
  const normal = (options) => (typeof options === 'number' ? { family: options } : (options ?? {}));

  dns.lookup = function lookup(host, options, callback) {
    const done = typeof options === 'function' ? options : callback;
    const wanted = typeof options === 'function' ? {} : normal(options);
    // Never rejects: a question that failed counts as an unknown name.
    void (async () => {
      const answer = await lookupCluster(host, wanted);
      if (answer === undefined) lookupOriginal(host, wanted, done);
      else if (wanted.all === true) process.nextTick(done, null, answer);
      else process.nextTick(done, null, answer.address, answer.family);
    })();
  };
  const lookupPromise = dns.promises.lookup;
  dns.promises.lookup = async (host, options) =>
    (await lookupCluster(host, normal(options))) ?? lookupPromise(host, options);
}
