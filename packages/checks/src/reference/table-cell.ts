// In: any text. Out: the same text inside one cell of a Markdown table. Pure. Called by the writers of the reference pages.

/** A text as one table cell: on one line, with `|` and `<` shown as they are. */
export function cell(text: string): string {
  return text.split('\n').join(' ').split('|').join('\\|').split('<').join('&lt;');
}
