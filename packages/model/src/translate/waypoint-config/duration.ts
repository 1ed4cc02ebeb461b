// Gateway API durations (`1h2m3s4ms`, GEP-2257) -> protobuf durations. Hand-written: the text is user data. Pure.

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of a duration text; undefined when it is none. At most four parts of five digits, as the API allows. */
export function durationMs(text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text.length > 32) return undefined;
  let total = 0;
  let digits = '';
  let unit = '';
  const close = (): boolean => {
    const factor = UNIT_MS[unit];
    if (digits === '' || factor === undefined) return false;
    total += Number(digits) * factor;
    digits = unit = '';
    return true;
  };
  for (const character of text) {
    const isDigit = character >= '0' && character <= '9';
    if (isDigit && unit !== '' && !close()) return undefined;
    if (isDigit) digits += character;
    else unit += character;
  }
  return close() ? total : undefined;
}

const GO_UNIT_MS: Readonly<Record<string, number>> = { ...UNIT_MS, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/** Milliseconds of a duration as Istio objects write it (`1.5s`, `2m30s`, `300ms`); undefined when it is none or negative. */
export function goDurationMs(text: string | undefined): number | undefined {
  if (text === undefined || text === '' || text.length > 64) return undefined;
  let total = 0;
  let rest = text;
  while (rest !== '') {
    let end = 0;
    while (end < rest.length && '0123456789.'.includes(rest.charAt(end))) end++;
    let stop = end;
    while (stop < rest.length && !'0123456789.'.includes(rest.charAt(stop))) stop++;
    const factor = GO_UNIT_MS[rest.slice(end, stop)];
    const amount = Number(rest.slice(0, end));
    if (end === 0 || factor === undefined || Number.isNaN(amount)) return text === '0' ? 0 : undefined;
    total += amount * factor;
    rest = rest.slice(stop);
  }
  return total;
}

/** A protobuf duration. */
export function durationOf(ms: number): { seconds: bigint; nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) };
}
