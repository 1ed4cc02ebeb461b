// In: rows with columns. Out: the form that -o names, on standard output (CLI-3, CLI-4). Called by every read command.
import { type Command, InvalidArgumentError } from 'commander';
import { exitStatusHelp } from './exit-status.ts';
import { jsonPath } from './json-path.ts';
import { table } from './table.ts';

/** One column. `wide` columns show with `-o wide` only. */
export interface Column<T> {
  readonly header: string;
  readonly of: (row: T) => string;
  readonly wide?: boolean;
}

/** Something that can be listed. */
export interface Listing<T> {
  /** Kind of the list in JSON and YAML, for example `WaypointList`. */
  readonly kind: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  /** `-o name`. */
  readonly name: (row: T) => string;
  /** What JSON and YAML show: default `{apiVersion, kind, items: rows}`. */
  readonly document?: unknown;
  /** Printed instead of an empty table. */
  readonly empty?: string;
}

/** Options that {@link outputOptions} adds. */
export interface OutputFlags {
  readonly output: string;
  /** False with `--no-headers`. */
  readonly headers: boolean;
}

const formats = ['table', 'short', 'wide', 'json', 'yaml', 'name', 'text', 'log'];

function formatOf(value: string): string {
  if (formats.includes(value) || value.startsWith('jsonpath=')) return value;
  throw new InvalidArgumentError('one of table, wide, json, yaml, name, jsonpath=TEMPLATE.');
}

/** Adds `-o` and `--no-headers`, and the exit statuses to the help. */
export function outputOptions(command: Command, ...statuses: readonly string[]): Command {
  return command
    .option('-o, --output <format>', 'table, wide, json, yaml, name or jsonpath=TEMPLATE', formatOf, 'table')
    .option('--no-headers', 'leave the header of tables out')
    .addHelpText('after', exitStatusHelp(...statuses));
}

/** A document of this program: versioned, columns may be added, never renamed. */
export const documentOf = (kind: string, fields: object): object => ({ apiVersion: 'cli.mesh/v1', kind, ...fields });

/** Prints a document as JSON, YAML or through a JSON path; false when the format is none of these. */
export async function printDocument(document: unknown, format: string): Promise<boolean> {
  if (format === 'json') process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  else if (format === 'yaml') process.stdout.write((await import('yaml')).stringify(document, { lineWidth: 0 }));
  else if (format.startsWith('jsonpath='))
    process.stdout.write(`${jsonPath(format.slice('jsonpath='.length), document)}\n`);
  else return false;
  return true;
}

/** Text of a listing as a table. Pure but for the width of the terminal. */
export function listingTable<T>(listing: Listing<T>, flags: OutputFlags): string {
  const columns = listing.columns.filter((column) => column.wide !== true || flags.output === 'wide');
  return table(
    columns.map((column) => column.header),
    listing.rows.map((row) => columns.map((column) => column.of(row))),
    {
      noHeaders: !flags.headers,
      ...(process.stdout.isTTY && process.stdout.columns > 0 ? { maxWidth: process.stdout.columns } : {}),
    },
  );
}

/** Prints a listing in the asked form. */
export async function printListing<T>(listing: Listing<T>, flags: OutputFlags): Promise<void> {
  const document = listing.document ?? documentOf(listing.kind, { items: listing.rows });
  if (await printDocument(document, flags.output)) return;
  if (flags.output === 'name') {
    process.stdout.write(listing.rows.map((row) => `${listing.name(row)}\n`).join(''));
    return;
  }
  if (listing.rows.length === 0 && listing.empty !== undefined) process.stderr.write(`${listing.empty}\n`);
  else process.stdout.write(`${listingTable(listing, flags)}\n`);
}
