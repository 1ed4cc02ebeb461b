// In: the two Go modules of this folder. Out: programs built from them, kept in a cache folder outside the checkout, and
// the folder where the suite's own modules lie. Called by conformance.test.ts.
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BUILD_TIMEOUT_MS = 1_200_000;

/** The Go program, where the machine has one: on PATH or in its usual place. */
export function findGo(env: NodeJS.ProcessEnv): string | undefined {
  const folders = [...(env['PATH'] ?? '').split(delimiter), '/usr/local/go/bin', '/usr/lib/go/bin'];
  return folders.map((folder) => join(folder, 'go')).find((file) => existsSync(file));
}

/** `go version go1.26.4 linux/amd64` without the first words. */
export const goVersion = (go: string): string => execFileSync(go, ['version'], { encoding: 'utf8' }).trim();

/** One program to build. */
interface Target {
  readonly name: string;
  /** Folder of the module that pins its version. */
  readonly module: string;
  readonly words: readonly string[];
}

const here = import.meta.dirname;
const targets: readonly Target[] = [
  { name: 'suite', module: join(here, 'suite'), words: ['test', '-c', '.'] },
  {
    name: 'echo-basic',
    module: join(here, 'suite'),
    words: ['build', 'sigs.k8s.io/gateway-api/conformance/echo-basic'],
  },
  { name: 'server', module: join(here, 'echo'), words: ['build', 'istio.io/istio/pkg/test/echo/cmd/server'] },
  { name: 'client', module: join(here, 'echo'), words: ['build', 'istio.io/istio/pkg/test/echo/cmd/client'] },
];

/** The built programs. */
export interface Programs {
  /** Folder that holds `suite`, `echo-basic`, `server` and `client`. */
  readonly folder: string;
  /** The suite's version of the Gateway API, as a folder with its definitions. */
  readonly gatewayApi: string;
}

/**
 * Builds what is missing, one after the other: with an empty cache a few minutes. The cache is `AMBIT_CONFORMANCE_CACHE` or
 * `~/.cache/ambit/conformance`, one folder per content of the modules.
 */
export async function buildPrograms(go: string, env: NodeJS.ProcessEnv): Promise<Programs> {
  const hash = createHash('sha256');
  for (const file of ['suite/go.mod', 'suite/main_test.go', 'echo/go.mod']) hash.update(readFileSync(join(here, file)));
  const cache = env['AMBIT_CONFORMANCE_CACHE'] ?? join(homedir(), '.cache', 'ambit', 'conformance');
  const folder = join(cache, hash.digest('hex').slice(0, 16));
  mkdirSync(folder, { recursive: true });
  for (const { name, module, words } of targets) {
    const output = join(folder, name);
    if (existsSync(output)) continue;
    console.log(`building ${name}`);
    // Without cgo the programs run in any container.
    const options = { cwd: module, env: { ...env, CGO_ENABLED: '0' }, timeout: BUILD_TIMEOUT_MS, maxBuffer: 1 << 26 };
    const [place = '.', ...verbs] = words.toReversed();
    await run(go, [...verbs.toReversed(), '-o', output, place], options);
  }
  const { stdout } = await run(go, ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/gateway-api'], {
    cwd: join(here, 'suite'),
    env,
  });
  return { folder, gatewayApi: stdout.trim() };
}
