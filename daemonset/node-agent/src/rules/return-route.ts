// In: a pod's namespace. Out: the way back of captured connections: what carries the return mark is delivered in the pod. Called by apply.ts.
// By netlink: a program per family and pod was half of all programs that an enrolment started. Source: spec node-agent 3.4.
import { attributesOf, changeRoutes, dumpRoutes, routeAttribute, type RouteRequest } from '@ambit/net';
import { constants } from 'node:os';
import { NodeAgentError } from '../errors.ts';
import { markMask, returnMark } from './plan.ts';

/** Family of rules and routes. */
export type RouteFamily = 'v4' | 'v6';

/** Numbers of linux/rtnetlink.h, linux/fib_rules.h and linux/netlink.h. */
const RTM = { add: { route: 24, rule: 32 }, del: { route: 25, rule: 33 }, get: { route: 26, rule: 34 } } as const;
const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const RTA_OIF = 4;
/** Numbers of the kernel's own use of a route. */
const RTA_CACHEINFO = 12;
const FRA = { priority: 6, fwmark: 10, table: 15, fwmask: 16 } as const;
const families = { v4: 2, v6: 10 } as const;
const RTPROT_BOOT = 3;
const RT_SCOPE_HOST = 254;
const RTN_LOCAL = 2;
const FR_ACT_TO_TBL = 1;

const table = 100;
const priority = 32_764;
/** `lo` is the first interface of every namespace. */
const loopback = 1;

/** What already is, or already is not, counts as done. */
const { EEXIST, ENOENT, ESRCH } = constants.errno;
const alreadySo = { add: new Set([0, EEXIST]), del: new Set([0, ENOENT, ESRCH]) };

/** The messages that send replies of the application back to the node proxy, or that take this away. Pure. */
export function returnRouteRequests(family: RouteFamily, action: 'add' | 'del'): readonly RouteRequest[] {
  const number = families[family];
  // struct rtmsg and struct fib_rule_hdr have the same shape: family, three lengths, table, three of their own, flags.
  const route = Buffer.from([number, 0, 0, 0, table, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL, 0, 0, 0, 0]);
  const rule = Buffer.from([number, 0, 0, 0, table, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0]);
  const marks = [
    routeAttribute(FRA.priority, priority),
    routeAttribute(FRA.fwmark, Number(returnMark)),
    routeAttribute(FRA.fwmask, Number(markMask)),
    routeAttribute(FRA.table, table),
  ];
  const isAdd = action === 'add';
  return [
    {
      type: RTM[action].route,
      flags: isAdd ? NLM_F_CREATE | NLM_F_REPLACE : 0,
      body: Buffer.concat([route, routeAttribute(RTA_OIF, loopback)]),
    },
    {
      type: RTM[action].rule,
      flags: isAdd ? NLM_F_CREATE | NLM_F_EXCL : 0,
      body: Buffer.concat([rule, ...marks]),
    },
  ];
}

/** Makes or removes the way back, each family by itself (gap G8). Idempotent. Throws ERR_NODE_AGENT_RULES. */
export function changeReturnRoutes(netns: number, wanted: readonly RouteFamily[], action: 'add' | 'del'): void {
  const failed = wanted.flatMap((family) =>
    changeRoutes(netns, returnRouteRequests(family, action))
      .filter((errno) => !alreadySo[action].has(errno))
      .map((errno) => `${family}: errno ${errno}`),
  );
  if (failed.length > 0)
    throw new NodeAgentError(
      'ERR_NODE_AGENT_RULES',
      `the return route could not be ${isPast[action]}: ${failed.join(', ')}`,
      {
        hint: 'the node agent needs CAP_NET_ADMIN, and the kernel CONFIG_IP_MULTIPLE_TABLES',
      },
    );
}

/** `struct rtmsg` and `struct fib_rule_hdr`. */
const HEADER_BYTES = 12;
const tableByte = 4;

/** Header and attributes of one message as a line; equal lines mean equal routes or rules. */
function lineOf(kind: string, body: Buffer): string {
  const attributes = attributesOf(body, HEADER_BYTES)
    .filter(([type]) => type !== RTA_CACHEINFO)
    .map(([type, value]) => `${type}=${value.toString('hex')}`);
  return `${kind} ${body.toString('hex', 0, HEADER_BYTES)} ${attributes.toSorted().join(' ')}`;
}

/** The way back as lines of text, out of all routes and rules of a family. Pure. */
export function returnRouteLines(routes: readonly Buffer[], rules: readonly Buffer[]): readonly string[] {
  const isOurs = (body: Buffer): boolean =>
    attributesOf(body, HEADER_BYTES).some(
      ([type, value]) => type === FRA.priority && value.readUInt32LE(0) === priority,
    );
  return [
    ...routes.filter((body) => body[tableByte] === table).map((body) => lineOf('route', body)),
    ...rules.filter(isOurs).map((body) => lineOf('rule', body)),
  ].toSorted();
}

/** The way back as the kernel has it: equal texts mean that nobody changed it. Throws ERR_NET_SYSTEM_CALL. */
export function printReturnRoutes(netns: number, wanted: readonly RouteFamily[]): string {
  const header = (family: RouteFamily): Buffer => Buffer.from([families[family], ...Buffer.alloc(HEADER_BYTES - 1)]);
  const dumps = wanted.flatMap((family) => [
    { type: RTM.get.route, body: header(family) },
    { type: RTM.get.rule, body: header(family) },
  ]);
  const found = dumpRoutes(netns, dumps);
  return wanted
    .map((_, index) => returnRouteLines(found[2 * index] ?? [], found[2 * index + 1] ?? []).join('\n'))
    .join('\n');
}

const isPast = { add: 'added', del: 'removed' } as const;
