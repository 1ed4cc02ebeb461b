/** Violations of HTTP/1.1 -> answers (spec/waypoint.md 6.2). Pure; used by server.ts and server-connection.ts. */
import { type LocalReply, replies } from '@ambit/l7';
import type { Http1Problem } from './problem.ts';

/** The answer to a problem; undefined when nobody is there to read it. */
export const replyOfProblem = (problem: Http1Problem | 'header-timeout'): LocalReply | undefined => {
  switch (problem) {
    case 'syntax':
      return replies.badFraming;
    case 'characters':
      return replies.invalidCharacters;
    case 'length-and-chunked':
      return replies.lengthAndChunked;
    case 'transfer-encoding':
      return replies.badTransferEncoding;
    case 'version':
      return replies.lowVersion;
    case 'too-large':
      return replies.headersTooLarge;
    case 'too-many':
      return replies.tooManyHeaders;
    case 'header-timeout':
      return replies.requestHeaderTimeout;
    case 'incomplete':
      return undefined;
    default:
      return problem satisfies never;
  }
};
