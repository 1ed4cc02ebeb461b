// The Huffman code of HPACK (RFC 7541 appendix B), both directions. Pure. In: bytes or text of one header string. Out:
// text or bytes. Called by decoder.ts and encoder.ts, once per header string.

/**
 * Code lengths of the 256 octets and EOS, one letter each ('a' = 5 bits). The code is canonical: codes of one length
 * are consecutive in the order of symbols, so the lengths are all there is to know.
 */
const LENGTHS =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdc' +
  'dioijbkabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrq' +
  'srssprrrsrrsvvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz';
const EOS = 256;
const NONE = -1;

interface Code {
  readonly bits: Uint32Array;
  readonly lengths: Uint8Array;
}

const code = canonicalCode();

/**
 * Transitions by nibble: `state * 16 + nibble` -> next state, with the symbol that the nibble completed above bit 9
 * (no code is shorter than five bits, so there is at most one). Negative: EOS inside the text.
 */
const transitions = new Int32Array(EOS * 16);
/** States in which the text may end: at most seven bits into EOS, that is only ones (RFC 7541 5.2). */
const mayEnd = new Uint8Array(EOS);
/** The two tables are filled with the first text: a thread of another engine never needs them. */
let isBuilt = false;

/** The text, one character per octet; undefined when the coding is invalid. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  if (!isBuilt) buildTransitions();
  let text = '';
  let state = 0;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] as number;
    for (let half = 0; half < 2; half += 1) {
      const next = transitions[state * 16 + (half === 0 ? byte >> 4 : byte & 15)] as number;
      if (next < 0) return undefined;
      if (next >= 1024) text += String.fromCharCode((next >> 10) - 1);
      state = next & 1023;
    }
  }
  return mayEnd[state] === 1 ? text : undefined;
}

/** Length of the coded text in bytes. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let at = 0; at < text.length; at += 1) bits += code.lengths[text.charCodeAt(at) & 255] as number;
  return (bits + 7) >> 3;
}

/** Writes the coded text, padded with ones, and returns the offset behind it. `into` must have room. */
export function encodeHuffman(text: string, into: Buffer, offset: number): number {
  let pending = 0;
  let held = 0;
  let at = offset;
  for (let index = 0; index < text.length; index += 1) {
    const symbol = text.charCodeAt(index) & 255;
    let left = code.lengths[symbol] as number;
    const bits = code.bits[symbol] as number;
    while (left > 0) {
      const take = Math.min(left, 8 - held);
      pending = (pending << take) | ((bits >>> (left - take)) & ((1 << take) - 1));
      left -= take;
      held += take;
      if (held === 8) {
        into[at] = pending;
        at += 1;
        pending = 0;
        held = 0;
      }
    }
  }
  if (held > 0) {
    into[at] = (pending << (8 - held)) | ((1 << (8 - held)) - 1);
    at += 1;
  }
  return at;
}

function canonicalCode(): Code {
  const lengths = Uint8Array.from(LENGTHS, (letter) => letter.charCodeAt(0) - 97 + 5);
  const bits = new Uint32Array(lengths.length);
  let next = 0;
  for (let length = 5; length <= 30; length += 1) {
    for (let symbol = 0; symbol < lengths.length; symbol += 1) {
      if (lengths[symbol] !== length) continue;
      bits[symbol] = next;
      next += 1;
    }
    next *= 2;
  }
  return { bits, lengths };
}

// The code as a binary tree, node 0 its root; 256 inner nodes, leaves stored as -(symbol + 2).
function buildTransitions(): void {
  isBuilt = true;
  const children: number[] = [NONE, NONE];
  for (let symbol = 0; symbol <= EOS; symbol += 1) {
    const length = code.lengths[symbol] as number;
    const bits = code.bits[symbol] as number;
    let node = 0;
    for (let depth = length - 1; depth > 0; depth -= 1) {
      const slot = node * 2 + ((bits >>> depth) & 1);
      if (children[slot] === NONE) {
        children[slot] = children.length / 2;
        children.push(NONE, NONE);
      }
      node = children[slot] as number;
    }
    children[node * 2 + (bits & 1)] = -(symbol + 2);
  }
  for (let state = 0; state < EOS; state += 1)
    for (let nibble = 0; nibble < 16; nibble += 1) transitions[state * 16 + nibble] = step(children, state, nibble);
  for (let depth = 0, node = 0; depth < 8; depth += 1, node = children[node * 2 + 1] as number) mayEnd[node] = 1;
}

function step(children: readonly number[], state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    node = children[node * 2 + ((nibble >> bit) & 1)] as number;
    if (node >= 0) continue;
    const symbol = -node - 2;
    if (symbol === EOS) return NONE;
    emitted = (symbol + 1) << 10;
    node = 0;
  }
  return emitted | node;
}
