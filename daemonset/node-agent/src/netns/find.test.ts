import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeInodes } from './find.ts';

const own = (): bigint => statSync('/proc/thread-self/ns/net', { bigint: true }).ino;

test("a first process that may not be looked at leaves this process's namespace as the node's", () => {
  const procRoot = mkdtempSync(join(tmpdir(), 'ambit-t-proc-'));
  try {
    mkdirSync(join(procRoot, '1/ns'), { recursive: true });
    const entry = join(procRoot, '1/ns/net');
    symlinkSync(entry, entry); // a link to itself cannot be read by anybody
    assert.deepEqual([...nodeInodes(procRoot)], [own()]);
  } finally {
    rmSync(procRoot, { recursive: true });
  }
});
