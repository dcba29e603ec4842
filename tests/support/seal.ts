// Checkpoints that are wrong, with the right digest.

import { createHash } from "node:crypto";

/** Gives the bytes of a changed checkpoint the digest that they have now. */
export function seal(bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString("latin1");
  const zeros = "0".repeat(64);
  const blank = Buffer.from(text.replace(/("sha256":")[0-9a-f]{64}/, `$1${zeros}`), "latin1");
  const digest = createHash("sha256").update(blank).digest("hex");
  return Buffer.from(blank.toString("latin1").replace(`"sha256":"${zeros}`, `"sha256":"${digest}`), "latin1");
}
