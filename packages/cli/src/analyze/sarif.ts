// Messages of an analysis as SARIF 2.1.0, the form that code hosts show beside the lines of a change. In: messages as structured output has
// them. Out: a document. Pure. Called by run.ts.

/** A message as `-o json` prints it. */
export type MessageFields = Readonly<Record<string, string>>;

const levels: Readonly<Record<string, string>> = { Error: 'error', Warning: 'warning', Info: 'note' };

/** `<file>:<line>`; a file name may have colons itself. Undefined for an object of a cluster. */
function placeOf(reference: string | undefined): { readonly file: string; readonly line: number } | undefined {
  const colon = reference?.lastIndexOf(':') ?? -1;
  if (reference === undefined || colon <= 0) return undefined;
  const line = Number(reference.slice(colon + 1));
  return Number.isInteger(line) && line > 0 ? { file: reference.slice(0, colon), line } : undefined;
}

/** A path as SARIF wants it: a relative or file address. */
const uriOf = (file: string): string =>
  `${file.startsWith('/') ? 'file://' : ''}${file.split('/').map(encodeURIComponent).join('/')}`;

function resultOf({ code = '', level = '', message = '', origin = '', reference }: MessageFields): object {
  const place = placeOf(reference);
  return {
    ruleId: code,
    level: levels[level] ?? 'warning',
    message: { text: origin === '' ? message : `${origin}: ${message}` },
    locations: [
      {
        ...(place !== undefined && {
          physicalLocation: { artifactLocation: { uri: uriOf(place.file) }, region: { startLine: place.line } },
        }),
        ...(origin !== '' && { logicalLocations: [{ fullyQualifiedName: origin, kind: 'object' }] }),
      },
    ],
  };
}

/** The document, with one rule for each code among the messages. */
export function sarifOf(messages: readonly MessageFields[]): object {
  const rules = new Map(
    messages.map(({ code = '', documentationUrl }) => [
      code,
      { id: code, ...(documentationUrl !== undefined && { helpUri: documentationUrl }) },
    ]),
  );
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'ambit analyze', rules: [...rules.values()] } },
        results: messages.map(resultOf),
      },
    ],
  };
}
