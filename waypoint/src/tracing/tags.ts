/**
 * Tags that users add to spans (Telemetry `tracing[].customTags`, spec/waypoint.md 7.2). In: their sources. Out: names and values of one
 * request. Compiled with the policies of a port; asked once per span. Pure; data thread.
 */
import type { TracingTag } from '@ambit/proto/waypoint';
import { compileTextFormat } from '../telemetry/log-format.ts';
import type { RequestRecord } from '../telemetry/request-record.ts';

/** Reads the tags of a request; those without a value are left out. */
export type SpanTags = (record: RequestRecord) => (readonly [string, string])[];

/** No tags of users. */
export const noTags: SpanTags = () => [];

type Reader = (record: RequestRecord) => string | undefined;

/** Compiles tags. The environment of this process is nobody's business: such a tag has its default value. */
export const compileTags = (tags: Readonly<Record<string, TracingTag>>): SpanTags => {
  const readers = Object.entries(tags).map(([name, tag]) => [name, readerOf(tag), tag.defaultValue] as const);
  if (readers.length === 0) return noTags;
  return (record) =>
    readers.flatMap(([name, read, fallback]): (readonly [string, string])[] => {
      const value = read(record) ?? fallback;
      return value === '' ? [] : [[name, value]];
    });
};

const readerOf = ({ source }: TracingTag): Reader => {
  switch (source.case) {
    case 'literal': {
      const { value } = source;
      return () => value;
    }
    case 'header': {
      const name = source.value.toLowerCase();
      return ({ start }) => start.headers.get(name);
    }
    case 'formatter':
      return compileTextFormat(source.value);
    default:
      return () => undefined;
  }
};
