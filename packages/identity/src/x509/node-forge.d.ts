// Types of the one file of node-forge that asn1.ts loads; its declarations name only the entry, which reads forty files more.
declare module 'node-forge/lib/asn1.js' {
  export { asn1 as default } from 'node-forge';
}
