// In: the plugin's entry and a reader of its modules. Out: one CommonJS text that requires Node's own modules alone. Pure. Called by
// build-plugin.ts. CommonJS, because Node starts it 7 ms of processor time sooner than a module of ECMAScript (ADR 0002). A single executable holds one file, and the plugin's handful of modules need no more than this: each becomes a function
// that returns what it exports. Only `import { a, b } from '...'` and `export` of functions, constants and classes are understood.

/** One module as text, and where its imports lead. */
export interface ModuleReader {
  /** JavaScript of a module. */
  readonly read: (path: string) => string;
  /** Path of an import; undefined for a module of Node. */
  readonly resolve: (specifier: string, from: string) => string | undefined;
}

interface Import {
  readonly names: string;
  readonly specifier: string;
}

const exportable = ['async function ', 'function ', 'const ', 'class '];
const quotes = ["'", '"'];

/** Takes the import statements off the front of lines. Throws on a form that is not understood. */
function splitImports(text: string): { readonly imports: readonly Import[]; readonly lines: readonly string[] } {
  const imports: Import[] = [];
  const lines: string[] = [];
  let open: string | undefined;
  for (const line of text.split('\n')) {
    if (open === undefined && !line.startsWith('import ')) {
      lines.push(line);
      continue;
    }
    open = `${open ?? ''}${line} `;
    if (!line.trimEnd().endsWith(';')) continue;
    const from = open.lastIndexOf(' from ');
    const [start, end] = [open.indexOf('{'), open.indexOf('}')];
    const quoted = open.slice(from + 6).trim();
    if (from === -1 || start === -1 || end === -1 || !quotes.includes(quoted[0] ?? ''))
      throw new Error(`import is not understood: ${open.trim()}`);
    imports.push({
      names: open
        .slice(start + 1, end)
        .split(' as ')
        .join(': ')
        .trim(),
      specifier: quoted.slice(1, quoted.indexOf(quoted[0] ?? '', 1)),
    });
    open = undefined;
  }
  return { imports, lines };
}

function nameAfter(text: string): string {
  const ends = [' ', '(', '=', ':', '{', '<'].map((character) => text.indexOf(character)).filter((at) => at !== -1);
  return text.slice(0, Math.min(text.length, ...ends));
}

/** Joins a module and everything it imports. Throws on code that it does not understand and on circles. */
export function bundlePlugin(entry: string, { read, resolve }: ModuleReader): string {
  const numbers = new Map<string, number>();
  const loading = new Set<string>();
  const heads = new Map<string, string>();
  const parts: string[] = [];

  const load = (path: string): number => {
    const known = numbers.get(path);
    if (known !== undefined) return known;
    if (loading.has(path)) throw new Error(`modules import each other: ${path}`);
    loading.add(path);
    const { imports, lines } = splitImports(read(path));
    const bindings: string[] = [];
    for (const { names, specifier } of imports) {
      const target = resolve(specifier, path);
      if (target !== undefined) {
        bindings.push(`const { ${names} } = module${load(target)};`);
        continue;
      }
      const name = heads.get(specifier) ?? `node${heads.size}`;
      heads.set(specifier, name);
      bindings.push(`const { ${names} } = ${name};`);
    }
    const exported: string[] = [];
    const body = lines.map((written) => {
      // What is loaded when it is needed is Node's own too.
      const line = written.replaceAll("import('node:", "require('node:");
      if (!line.startsWith('export ')) return line;
      const rest = line.slice('export '.length);
      const kind = exportable.find((word) => rest.startsWith(word));
      if (kind === undefined) throw new Error(`export is not understood: ${line}`);
      exported.push(nameAfter(rest.slice(kind.length)));
      return rest;
    });
    const number = numbers.size;
    numbers.set(path, number);
    parts.push(
      `const module${number} = await (async () => {\n${[...bindings, ...body, `return { ${exported.join(', ')} };`].join('\n')}\n})();\n`,
    );
    return number;
  };
  load(entry);
  const required = [...heads].map(([specifier, name]) => `const ${name} = require('${specifier}');\n`);
  return `'use strict';\n(async () => {\n${required.join('')}${parts.join('')}})();\n`;
}
