/** The node proxy is an application: start it as a process (`main.ts`). The configuration table is its only library face. */
export { readConfig, type NodeProxyConfig } from './config.ts';
export { schema } from './env.ts';
