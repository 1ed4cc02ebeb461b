// Schedules of CronJobs: five fields as cron has them. Pure.
// Comes in: text of a user. Goes out: what it means, or what is wrong with it. Called by cron-plan.ts and validation.

/** Minutes, hours and so on at which a schedule fires. */
export interface CronSchedule {
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Both kinds of day are given: either is enough. */
  readonly isEitherDay: boolean;
}

/** A time of the wall clock in some zone. */
export interface WallTime {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  /** 1 to 12. */
  readonly month: number;
  /** 0 is Sunday. */
  readonly weekday: number;
}

interface Field {
  readonly first: number;
  readonly last: number;
  readonly names: readonly string[];
}

const MAX_LENGTH = 512;
const SHORTHANDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '@yearly': '0 0 1 1 *',
    '@annually': '0 0 1 1 *',
    '@monthly': '0 0 1 * *',
    '@weekly': '0 0 * * 0',
    '@daily': '0 0 * * *',
    '@midnight': '0 0 * * *',
    '@hourly': '0 * * * *',
  }),
);
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS: readonly Field[] = [
  { first: 0, last: 59, names: [] },
  { first: 0, last: 23, names: [] },
  { first: 1, last: 31, names: [] },
  { first: 1, last: 12, names: MONTHS },
  { first: 0, last: 6, names: WEEKDAYS },
];

/** Reads a schedule; the answer is a text when it is none. */
export function parseSchedule(text: string): CronSchedule | string {
  if (text.length > MAX_LENGTH) return `longer than ${MAX_LENGTH} characters`;
  if (text === '') return 'empty spec string';
  if (text.startsWith('TZ') || text.startsWith('CRON_TZ'))
    return 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead';
  if (text.startsWith('@') && !SHORTHANDS.has(text)) return `unrecognized descriptor: ${text}`;
  const words = (SHORTHANDS.get(text) ?? text).split(' ').filter((word) => word !== '');
  if (words.length !== FIELDS.length) return `expected exactly 5 fields, found ${words.length}: [${words.join(' ')}]`;
  const sets: Set<number>[] = [];
  for (const [index, field] of FIELDS.entries()) {
    const set = readField(words[index] ?? '', field);
    if (typeof set === 'string') return set;
    sets.push(set);
  }
  const [minutes, hours, days, months, weekdays] = sets as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const isOpen = (word: string | undefined): boolean =>
    word?.startsWith('*') === true || word?.startsWith('?') === true;
  return { minutes, hours, days, months, weekdays, isEitherDay: !isOpen(words[2]) && !isOpen(words[4]) };
}

/** Whether the schedule fires in that minute. */
export function firesAt(schedule: CronSchedule, time: WallTime): boolean {
  const isDay = schedule.days.has(time.day);
  const isWeekday = schedule.weekdays.has(time.weekday);
  return (
    schedule.minutes.has(time.minute) &&
    schedule.hours.has(time.hour) &&
    schedule.months.has(time.month) &&
    (schedule.isEitherDay ? isDay || isWeekday : isDay && isWeekday)
  );
}

function readField(text: string, field: Field): Set<number> | string {
  const found = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', stepText, ...more] = part.split('/');
    if (more.length > 0) return `too many slashes: ${part}`;
    const isOpen = range === '*' || range === '?';
    const [fromText = '', toText, ...rest] = range.split('-');
    if (rest.length > 0) return `too many hyphens: ${part}`;
    const from = isOpen ? field.first : numberOf(fromText, field);
    const step = stepText === undefined ? 1 : wholeNumber(stepText);
    const single = stepText === undefined ? from : field.last;
    const to = isOpen ? field.last : toText === undefined ? single : numberOf(toText, field);
    if (from === undefined || to === undefined || step === undefined) return `failed to parse int from ${part}`;
    if (step === 0) return `step of range should be a positive number: ${part}`;
    if (from < field.first) return `beginning of range (${from}) below minimum (${field.first}): ${part}`;
    if (to > field.last) return `end of range (${to}) above maximum (${field.last}): ${part}`;
    if (from > to) return `beginning of range (${from}) beyond end of range (${to}): ${part}`;
    for (let value = from; value <= to; value += step) found.add(value);
  }
  return found;
}

function numberOf(text: string, { first, names }: Field): number | undefined {
  const name = names.indexOf(text.toLowerCase());
  return name === -1 ? wholeNumber(text) : name + first;
}

function wholeNumber(text: string): number | undefined {
  if (text === '' || text.length > 4) return undefined;
  for (const digit of text) if (digit < '0' || digit > '9') return undefined;
  return Number(text);
}
