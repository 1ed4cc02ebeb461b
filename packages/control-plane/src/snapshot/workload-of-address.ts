// The Workload inside an encoded Address, without decoding it. In: bytes of istio.workload.Address that hold a workload.
// Out: a view on the bytes of istio.workload.Workload. Pure; called by sources.ts for clients of the older type.

/** Field 1, length-delimited: the tag of `Address.workload`. */
const WORKLOAD_TAG = 0x0a;

/** Strips tag and length. Bytes that do not begin with the tag give an empty message. */
export function workloadOfAddress(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== WORKLOAD_TAG) return new Uint8Array();
  let at = 1;
  // The length is a varint: every byte but the last has its high bit set.
  while (((bytes[at] ?? 0) & 0x80) !== 0) at++;
  return bytes.subarray(at + 1);
}
