/** OpenAPI string formats. Unknown ones pass. Every check is linear in the text. Pure. */

import { isIPv4, isIPv6 } from 'node:net';

const isDigits = (text: string): boolean => /^\d+$/.test(text);
const isBase64 = (text: string): boolean => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
const isUuid = (text: string): boolean =>
  /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/.test(text);

function isDateTime(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,12})?(?:[Zz]|[+-]\d{2}:\d{2})?$/.test(text)) return false;
  return !Number.isNaN(Date.parse(text.replace(' ', 'T')));
}

function isDuration(text: string): boolean {
  if (text.length > 128) return false;
  if (/^-?\d{1,15}$/.test(text)) return true;
  return /^[+-]?(?:\d{1,15}(?:\.\d{1,15})?(?:ns|us|µs|ms|s|m|h|d|w))+$/.test(text);
}

const isHostname = (text: string): boolean =>
  text.length <= 255 && text.split('.').every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label));

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
  date: (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)),
  duration: isDuration,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: (text) => {
    const [address = '', bits = ''] = text.split('/');
    return isDigits(bits) && ((isIPv4(address) && Number(bits) <= 32) || (isIPv6(address) && Number(bits) <= 128));
  },
  byte: isBase64,
  uuid: isUuid,
  uuid3: isUuid,
  uuid4: isUuid,
  uuid5: isUuid,
  email: isEmail,
  hostname: isHostname,
  uri: isUri,
  mac: (text) => /^(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$/.test(text),
};

/** True when the text has the format, or the format is not known. */
export const isFormat = (format: string, text: string): boolean => formats[format]?.(text) ?? true;
