// Lines of the fields of one document, by path. In: its nodes. Out: a look-up that reads the nodes once, at the first question.
// Called by files.ts. Pure.
import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type YAMLMap } from 'yaml';

/** Look-up of the line of a scalar by its path, such as `.spec.hosts[0]`; the document begins at line `first`. */
export function linesOf(root: YAMLMap, counter: LineCounter, first: number): (path: string) => number | undefined {
  let lines: Map<string, number> | undefined;
  return (path) => {
    if (lines === undefined) {
      lines = new Map();
      note(root, '', lines, (node) => counter.linePos(node.range?.[0] ?? 0).line + first - 1);
    }
    return lines.get(path);
  };
}

function note(map: YAMLMap, prefix: string, lines: Map<string, number>, lineOf: (node: Node) => number): void {
  for (const { key, value } of map.items) {
    const path = `${prefix}.${isScalar(key) ? String(key.value) : ''}`;
    noteValue(value as Node | null, path, isScalar(key) ? key : map, lines, lineOf);
  }
}

function noteValue(
  value: Node | null,
  path: string,
  key: Node,
  lines: Map<string, number>,
  lineOf: (node: Node) => number,
): void {
  if (value === null) lines.set(path, lineOf(key));
  else if (isScalar(value)) lines.set(path, lineOf(value));
  else if (isMap(value)) note(value, path, lines, lineOf);
  else if (isSeq(value)) {
    for (const [index, item] of value.items.entries()) {
      if (isScalar(item)) lines.set(`${path}[${index}]`, lineOf(item));
      else if (isMap(item)) note(item, `${path}[${index}]`, lines, lineOf);
    }
  } else if (isAlias(value)) return;
}
