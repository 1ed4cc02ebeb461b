// argv in; archives and bills of materials out. `node --conditions=@ambit/source packages/images/src/main.ts --out DIR [component...]`.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { explain } from '@ambit/runtime/errors';
import { buildImages, unpackPrograms } from './build.ts';
import { type Component, components } from './components.ts';
import { ImageError } from './errors.ts';

const HELP = `usage: main.ts --out DIR [--hub PREFIX] [--tag TAG] [--epoch SECONDS] [--skip-compile] [component...]
  components: ${components.map(({ name }) => name).join(', ')} (default: all)
  --out           folder for <component>.oci.tar and <component>.cdx.json
  --hub, --tag    names of the images: PREFIX/<image>:TAG (default: ambit, dev)
  --epoch         time of every file, seconds since 1970 (default: 0)
  --skip-compile  take the JavaScript that is there
  --unpacked      no images: the files of the programs as they would lie in theirs, below DIR/<component>
`;

function usage(message: string): ImageError {
  return new ImageError('ERR_IMAGES_USAGE', message, { hint: '--help shows the arguments' });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        hub: { type: 'string', default: 'ambit' },
        tag: { type: 'string', default: 'dev' },
        epoch: { type: 'string', default: '0' },
        'skip-compile': { type: 'boolean', default: false },
        unpacked: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (cause) {
    throw new ImageError('ERR_IMAGES_USAGE', 'the arguments cannot be understood', {
      cause,
      hint: '--help shows them',
    });
  }
}

function chosen(names: readonly string[]): readonly Component[] {
  const unknown = names.find((name) => components.every((each) => each.name !== name));
  if (unknown !== undefined) throw usage(`there is no component ${JSON.stringify(unknown.slice(0, 80))}`);
  return components.filter(({ name }) => names.length === 0 || names.includes(name));
}

async function main(args: readonly string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  if (values.out === undefined) throw usage('--out is missing');
  const seconds = Number(values.epoch);
  if (!Number.isSafeInteger(seconds) || seconds < 0 || seconds > 0o77777777777)
    throw usage('--epoch is not a number of seconds since 1970');
  const checkout = fileURLToPath(new URL('../../..', import.meta.url));
  const progress = (line: string): void => void process.stdout.write(`${line}\n`);
  if (values.unpacked) {
    await unpackPrograms(chosen(positionals), {
      checkout,
      out: values.out,
      skipsCompile: values['skip-compile'],
      progress,
    });
    return;
  }
  await buildImages(chosen(positionals), {
    checkout,
    out: values.out,
    hub: values.hub,
    tag: values.tag,
    seconds,
    skipsCompile: values['skip-compile'],
    progress,
  });
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${explain(error)}\n`);
  process.exitCode = 1;
}
