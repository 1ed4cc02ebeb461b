/**
 * Optional selection (`a.?b.c`, `a[?k]`) rewritten as method calls, because the parser of CEL does not know it. In: an
 * expression; out: the same without that syntax. Texts in quotes stay as they are. Pure.
 */

import { optionalSelect } from './lists.ts';

const isNameChar = (char: string): boolean =>
  (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || (char >= '0' && char <= '9') || char === '_';

function endOfText(source: string, start: number): number {
  const quote = source.charAt(start);
  const fence = source.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  const isRaw = start > 0 && 'rR'.includes(source.charAt(start - 1));
  for (let at = start + fence.length; at < source.length; at++) {
    if (!isRaw && source.charAt(at) === '\\') at++;
    else if (source.startsWith(fence, at)) return at + fence.length;
  }
  return source.length;
}

function endOfName(source: string, start: number): number {
  let end = start;
  while (end < source.length && isNameChar(source.charAt(end))) end++;
  return end;
}

const quoted = (name: string): string => `.${optionalSelect}(${JSON.stringify(name)})`;

/** The expression with optional selections as calls; unchanged when it has none. */
export function rewriteOptionals(source: string): string {
  if (!source.includes('.?') && !source.includes('[?')) return source;
  let result = '';
  // After an optional selection, plain ones select inside of the optional value until a call ends the chain.
  let isChain = false;
  const brackets: string[] = [];
  for (let at = 0; at < source.length;) {
    const char = source.charAt(at);
    if (char === '"' || char === "'") {
      const end = endOfText(source, at);
      result += source.slice(at, end);
      at = end;
    } else if (source.startsWith('.?', at)) {
      const end = endOfName(source, at + 2);
      result += quoted(source.slice(at + 2, end));
      isChain = true;
      at = end;
    } else if (source.startsWith('[?', at)) {
      brackets.push(')');
      result += `.${optionalSelect}(`;
      isChain = false;
      at += 2;
    } else if (char === '.' && isChain) {
      const end = endOfName(source, at + 1);
      const isCall = source.charAt(end) === '(';
      result += isCall ? source.slice(at, end) : quoted(source.slice(at + 1, end));
      isChain = !isCall;
      at = end;
    } else {
      isChain = false;
      if (char === '[') brackets.push(']');
      const closed = char === ']' ? (brackets.pop() ?? ']') : undefined;
      result += closed ?? char;
      if (closed === ')') isChain = true;
      at++;
    }
  }
  return result;
}
