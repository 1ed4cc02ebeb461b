// In: metrics in the text format of Prometheus. Out: samples with their labels. Pure. Called by read-traffic.ts.

/** One series at one moment. */
export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

/** Reads `name="value",...}` from `start`; the position behind the brace, or -1 when it is broken. */
function readLabels(line: string, start: number, into: Map<string, string>): number {
  let at = start;
  while (at < line.length && line[at] !== '}') {
    const equals = line.indexOf('="', at);
    if (equals < 0) return -1;
    const name = line.slice(line[at] === ',' ? at + 1 : at, equals);
    let value = '';
    at = equals + 2;
    while (at < line.length && line[at] !== '"') {
      if (line[at] === '\\') at += 1;
      value += line[at] ?? '';
      at += 1;
    }
    into.set(name, value);
    at += 1;
  }
  return at < line.length ? at + 1 : -1;
}

/** Samples of the named metrics; lines that cannot be read are left out. */
export function samplesOf(text: string, names: ReadonlySet<string>): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const brace = line.indexOf('{');
    if (brace <= 0 || !names.has(line.slice(0, brace))) continue;
    const labels = new Map<string, string>();
    const end = readLabels(line, brace + 1, labels);
    const value = end < 0 ? Number.NaN : Number(line.slice(end).trim().split(' ')[0]);
    if (Number.isFinite(value)) samples.push({ name: line.slice(0, brace), labels, value });
  }
  return samples;
}
