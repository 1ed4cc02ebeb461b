// In: the schemas of packages/resources, and the messages of the API that validation knows. Out: the text of packages/docs/crd-fields.md:
// by kind every field that is read, and every field of the API that is not. Called by pages.ts.
import { importSource } from './import-source.ts';
import { cell } from './table-cell.ts';

interface Field {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly enum?: readonly (string | number | boolean)[];
  readonly const?: string | number | boolean;
  readonly anyOf?: readonly Field[];
  readonly properties?: Readonly<Record<string, Field>>;
  readonly items?: Field;
  readonly patternProperties?: Readonly<Record<string, Field>>;
}

interface Kind {
  readonly kind: string;
  readonly group: string;
  readonly version: string;
  readonly otherVersions: readonly string[];
  readonly custom: boolean;
  readonly schema: { readonly properties: Readonly<Record<string, Field>> };
}

/** Deeper fields are left to the schema. */
const MAX_DEPTH = 4;

function typeOf(field: Field): string {
  if (field.enum !== undefined) return field.enum.map(String).join(' \\| ');
  const choices = field.anyOf?.map((one) => (one.const === undefined ? typeOf(one) : String(one.const)));
  if (choices !== undefined) return [...new Set(choices)].join(' \\| ');
  if (field.const !== undefined) return String(field.const);
  if (field.type === 'array') return `list of ${field.items === undefined ? 'anything' : typeOf(field.items)}`;
  if (field.patternProperties !== undefined) return 'map';
  return typeof field.type === 'string' ? field.type : 'anything';
}

function rowsOf(field: Field, path: string, depth: number): readonly string[] {
  const inside = field.items ?? field;
  if (inside.properties === undefined || depth > MAX_DEPTH) return [];
  return Object.entries(inside.properties).flatMap(([name, one]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const shown = one.type === 'array' ? `${here}[]` : here;
    return [`| \`${shown}\` | ${typeOf(one)} | ${cell(one.description ?? '')} |`, ...rowsOf(one, shown, depth + 1)];
  });
}

interface MessageField {
  readonly name: string;
  readonly type: string;
  readonly mapKey: string | undefined;
}

type FieldsOf = (message: string) => readonly MessageField[] | undefined;

/** Where the messages of a group are. */
const packagesOf: Readonly<Record<string, readonly string[]>> = {
  'networking.istio.io': ['istio.networking.v1alpha3', 'istio.networking.v1beta1'],
  'security.istio.io': ['istio.security.v1beta1'],
  'telemetry.istio.io': ['istio.telemetry.v1alpha1'],
  'extensions.istio.io': ['istio.extensions.v1alpha1'],
};

/** Fields of the message that the schema does not have, as paths. Below a field of any content nothing is known to be unread. */
function unreadOf(fieldsOf: FieldsOf, message: string, schema: Field, path: string, depth: number): readonly string[] {
  const inside = schema.items ?? schema;
  if (inside.properties === undefined || depth > MAX_DEPTH) return [];
  return (fieldsOf(message) ?? []).flatMap(({ name, type, mapKey }) => {
    const here = path === '' ? name : `${path}.${name}`;
    const field = inside.properties?.[name];
    if (field === undefined) return [here];
    return mapKey === undefined
      ? unreadOf(fieldsOf, type, field, field.type === 'array' ? `${here}[]` : here, depth + 1)
      : [];
  });
}

function unreadSection(fieldsOf: FieldsOf, kind: Kind): readonly string[] {
  const { properties } = kind.schema;
  const message = (packagesOf[kind.group] ?? [])
    .map((name) => `${name}.${kind.kind}`)
    .find((name) => fieldsOf(name) !== undefined);
  if (message === undefined) return [];
  const spec = properties['spec'] ?? { properties: {} };
  const unread = unreadOf(fieldsOf, message, spec, '', 1);
  if (unread.length === 0) return ['Every field of the API is read.', ''];
  return [`Accepted and not read, so without effect: ${unread.map((path) => `\`${path}\``).join(', ')}.`, ''];
}

/** The page. */
export async function fieldsPage(): Promise<string> {
  const { fieldsOf } = (await importSource('packages/model/src/validate/schema/tables.ts')) as { fieldsOf: FieldsOf };
  const { kinds } = (await importSource('packages/resources/src/kinds.ts')) as {
    kinds: Readonly<Record<string, Kind>>;
  };
  const sections = Object.values(kinds)
    .filter(({ custom }) => custom)
    .map((described) => {
      const { kind, group, version, otherVersions, schema } = described;
      const { properties } = schema;
      const rows = properties['spec'] === undefined ? [] : rowsOf(properties['spec'], '', 1);
      const versions = [version, ...otherVersions].join(', ');
      return [
        `## ${kind}`,
        '',
        `\`${group}\`, ${versions}.`,
        '',
        ...(rows.length === 0
          ? ['No fields are read.']
          : ['| field of `spec` | type | meaning |', '|---|---|---|', ...rows]),
        '',
        ...unreadSection(fieldsOf, described),
      ].join('\n');
    });
  return `# Fields of custom resources

Generated by \`npx -y pnpm@12 gen\` from the schemas in [packages/resources](../resources). The fields in the
tables are read; below each table stand the fields of the API that are accepted and have no effect. \`ambit validate\` and admission refuse
fields that no version of the API has.

${sections.join('\n')}`;
}
