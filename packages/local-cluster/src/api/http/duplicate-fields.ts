/**
 * Finds fields given twice in a JSON text that is known to parse. In: text; out: their paths, in order. One linear scan,
 * only keys are decoded. Pure.
 */

interface Frame {
  readonly keys: Set<string> | undefined;
  readonly path: string;
  index: number;
  key: string;
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

function endOfString(text: string, start: number): number {
  let index = start + 1;
  while (index < text.length) {
    const code = text.charCodeAt(index);
    if (code === 0x5c) index += 2;
    else if (code === 0x22) return index;
    else index++;
  }
  return index;
}

function nextToken(text: string, from: number): number {
  let index = from;
  while (index < text.length && ' \t\r\n'.includes(text.charAt(index))) index++;
  return index;
}

/** Paths of fields that appear more than once in one object; each path once. */
export function duplicateFields(text: string): string[] {
  const found = new Set<string>();
  const frames: Frame[] = [];
  let index = 0;
  while (index < text.length) {
    const char = text.charAt(index);
    const frame = frames.at(-1);
    if (char === '{' || char === '[') {
      const path =
        frame === undefined
          ? ''
          : frame.keys === undefined
            ? `${frame.path}[${frame.index}]`
            : join(frame.path, frame.key);
      frames.push({ keys: char === '{' ? new Set() : undefined, path, index: 0, key: '' });
    } else if (char === '}' || char === ']') frames.pop();
    else if (char === ',' && frame?.keys === undefined && frame !== undefined) frame.index++;
    else if (char === '"') {
      const end = endOfString(text, index);
      if (frame?.keys !== undefined && text.charAt(nextToken(text, end + 1)) === ':') {
        const key = JSON.parse(text.slice(index, end + 1)) as string;
        if (frame.keys.has(key)) found.add(join(frame.path, key));
        frame.keys.add(key);
        frame.key = key;
      }
      index = end;
    }
    index++;
  }
  return [...found];
}
