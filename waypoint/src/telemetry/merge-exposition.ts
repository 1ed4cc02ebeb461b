/**
 * Adds up the Prometheus texts of several data threads: equal series become one whose value is the sum.
 * In: texts written by our own registries. Out: one text. Pure; main thread.
 */

/** Merges expositions; HELP and TYPE lines come from the first text that has them. */
export const mergeExpositions = (texts: readonly string[]): string => {
  if (texts.length < 2) return texts[0] ?? '';
  const metrics = new Map<string, { readonly head: string[]; readonly values: Map<string, number> }>();
  for (const text of texts) {
    let current: { readonly head: string[]; readonly values: Map<string, number> } | undefined;
    for (const line of text.split('\n')) {
      if (line.startsWith('# HELP ') || line.startsWith('# TYPE ')) {
        const name = line.split(' ')[2] as string;
        current = metrics.get(name);
        if (current === undefined) metrics.set(name, (current = { head: [], values: new Map() }));
        const isNew = !current.head.some((known) => known.slice(0, 6) === line.slice(0, 6));
        if (isNew) current.head.push(line);
      } else if (line !== '' && current !== undefined) addSample(current.values, line);
    }
  }
  const lines: string[] = [];
  for (const { head, values } of metrics.values()) {
    lines.push(...head);
    for (const [series, value] of values) lines.push(`${series} ${value}`);
  }
  return `${lines.join('\n')}\n`;
};

const addSample = (values: Map<string, number>, line: string): void => {
  const space = line.lastIndexOf(' ');
  const series = line.slice(0, space);
  values.set(series, (values.get(series) ?? 0) + Number(line.slice(space + 1)));
};
