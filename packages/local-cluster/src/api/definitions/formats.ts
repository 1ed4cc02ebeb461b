/** OpenAPI string formats. Unknown ones pass. Every check is linear in the text. Called by validate.ts. Pure. */

import { isIPv4, isIPv6 } from 'node:net';
import { RE2JS } from 're2js';
import { isDigits } from '../characters.ts';

/** A test for texts that match the pattern from end to end. */
function matching(pattern: string): (text: string) => boolean {
  const compiled = RE2JS.compile(pattern);
  return (text) => compiled.matches(text);
}

const isUuid = matching('[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}');
const isMac = matching('(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}');
const isDateText = matching('[0-9]{4}-[0-9]{2}-[0-9]{2}');
const isDateTimeText = matching(
  '[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.][0-9]{1,12})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?',
);
const isDurationText = matching('[+-]?(?:[0-9]{1,15}(?:[.][0-9]{1,15})?(?:ns|us|µs|ms|s|m|h|d|w))+');
const isHostnameLabel = matching('[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?');
const isBase64Text = matching('[A-Za-z0-9+/]*={0,2}');

const isBase64 = (text: string): boolean => text.length % 4 === 0 && isBase64Text(text);

function isDateTime(text: string): boolean {
  if (!isDateTimeText(text)) return false;
  return !Number.isNaN(Date.parse(text.replace(' ', 'T')));
}

function isDuration(text: string): boolean {
  if (text.length > 128) return false;
  return isDigits(text.startsWith('-') ? text.slice(1) : text, 15) || isDurationText(text);
}

const isHostname = (text: string): boolean => text.length <= 255 && text.split('.').every(isHostnameLabel);

function isEmail(text: string): boolean {
  const at = text.lastIndexOf('@');
  return text.length < 320 && at > 0 && at < text.length - 1 && !text.includes(' ');
}

function isUri(text: string): boolean {
  return URL.canParse(text) || text.startsWith('/');
}

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': isDateTime,
  datetime: isDateTime,
  date: (text) => isDateText(text) && !Number.isNaN(Date.parse(text)),
  duration: isDuration,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (text) => {
    const [address = '', bits = ''] = text.split('/');
    return isDigits(bits, 3) && ((isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128));
  },
  byte: isBase64,
  uuid: isUuid,
  uuid3: isUuid,
  uuid4: isUuid,
  uuid5: isUuid,
  email: isEmail,
  hostname: isHostname,
  uri: isUri,
  mac: isMac,
};

/** True when the text has the format, or the format is not known. */
export const isFormat = (format: string, text: string): boolean => formats[format]?.(text) ?? true;
