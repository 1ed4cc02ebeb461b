// In: `path=value` words of a command line. Out: values. Pure. Called by the CLI. The syntax is Helm's: dots descend, `\.` is a dot in a
// name, `[0]` an element, `{a,b}` a list; a value is a number, true, false or null where it looks like one.
import { ChartError } from '../errors.ts';
import { type Dictionary, isDictionary } from '../template/values.ts';

const refuse = (word: string, why: string): ChartError =>
  new ChartError('ERR_CHARTS_VALUES', `--set ${word}: ${why}`, { hint: 'path=value, for example global.tag=1.2.3' });

/** `a.b\.c[0]` as steps. */
function stepsOf(path: string, word: string): readonly (string | number)[] {
  const steps: (string | number)[] = [];
  let name = '';
  for (let at = 0; at < path.length; at += 1) {
    const character = path[at] ?? '';
    if (character === '\\') {
      at += 1;
      name += path[at] ?? '';
    } else if (character === '.') {
      if (name !== '') steps.push(name);
      name = '';
    } else if (character === '[') {
      const end = path.indexOf(']', at);
      const index = Number(path.slice(at + 1, end));
      if (end < 0 || !Number.isInteger(index) || index < 0 || index > 1000)
        throw refuse(word, 'the index is no small whole number');
      if (name !== '') steps.push(name);
      name = '';
      steps.push(index);
      at = end;
    } else name += character;
  }
  if (name !== '') steps.push(name);
  if (steps.length === 0 || steps.some((step) => step === '__proto__'))
    throw refuse(word, 'the path is empty or cannot be used');
  return steps;
}

function scalar(text: string): unknown {
  if (text === 'null') return null;
  if (text === 'true' || text === 'false') return text === 'true';
  const isNumber = text !== '' && String(Number(text)) === text;
  return isNumber ? Number(text) : text;
}

const valueOf = (text: string): unknown =>
  text.startsWith('{') && text.endsWith('}')
    ? text
        .slice(1, -1)
        .split(',')
        .filter((item) => item !== '')
        .map(scalar)
    : scalar(text);

/** Lays one word over values; `isText` leaves the value a text (`--set-string`). Throws ERR_CHARTS_VALUES. Changes `values`. */
export function setValue(values: Dictionary, word: string, isText = false): void {
  const at = word.indexOf('=');
  if (at < 0) throw refuse(word, 'there is no "="');
  const steps = stepsOf(word.slice(0, at), word);
  let inside: Dictionary | unknown[] = values;
  steps.forEach((step, index) => {
    const target = inside as Record<string | number, unknown>;
    if (index === steps.length - 1) {
      target[step] = isText ? word.slice(at + 1) : valueOf(word.slice(at + 1));
      return;
    }
    const isList = typeof steps[index + 1] === 'number';
    const known = target[step];
    if (isList ? !Array.isArray(known) : !isDictionary(known)) target[step] = isList ? [] : {};
    inside = target[step] as Dictionary | unknown[];
  });
}
