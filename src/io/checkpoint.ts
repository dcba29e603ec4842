// Checkpoints as bytes: a safetensors file whose metadata holds everything that is no tensor, and a digest of the whole.

import { WgradError } from "../base/errors.ts";
import { messageOf } from "../ops/check.ts";
import type { Tensor } from "../tensor.ts";
import { putTogether, takeApart } from "./checkpoint-tree.ts";
import { encodeSafetensors, fromSafetensors, safetensorsMetadata } from "./safetensors.ts";

const format = "wgrad-checkpoint";
const version = "1";
const noDigest = "0".repeat(64);
const digestKey = '"sha256":"';

/**
 * Returns the bytes of a checkpoint. `content` holds models, optimizers, schedules (anything with a `stateDict()`),
 * tensors and plain data. `saveCheckpoint` of wgrad/node writes the same bytes to a file, so pages and Node can read
 * each other's.
 *
 * @throws WgradError if `content` holds something that cannot be saved.
 */
export function toCheckpoint(content: object): Promise<Uint8Array> {
  return encodeCheckpoint("toCheckpoint", content);
}

/**
 * Returns the content of a checkpoint under the names that it was saved with, after checking its digest. Pass the state
 * dicts to `loadStateDict`.
 *
 * @throws WgradError if the bytes are no checkpoint, have an unknown version, are cut short or were changed.
 */
export function fromCheckpoint<Content = Record<string, unknown>>(bytes: Uint8Array): Promise<Content> {
  return decodeCheckpoint("fromCheckpoint", bytes) as Promise<Content>;
}

/** The bytes of a checkpoint of `content`. */
export async function encodeCheckpoint(what: string, content: object): Promise<Uint8Array> {
  const { json, tensors } = takeApart(what, content);
  const bytes = await encodeSafetensors(what, tensors, {
    metadata: { format, version, sha256: noDigest, content: json },
  });
  const at = digestPlace(what, bytes);
  bytes.set(new TextEncoder().encode(await digest(bytes)), at);
  return bytes;
}

/**
 * Returns the content of a checkpoint, after checking its digest.
 * @throws WgradError when the bytes are no checkpoint, of a version unknown, cut short or changed.
 */
export async function decodeCheckpoint(what: string, bytes: Uint8Array): Promise<Record<string, unknown>> {
  let metadata: Record<string, string>;
  try {
    metadata = safetensorsMetadata(bytes);
  } catch (error) {
    throw new WgradError(`${what}: this is no whole checkpoint: ${messageOf(error)}`);
  }
  if (metadata.format !== format) {
    throw new WgradError(
      `${what}: this is a safetensors file but no checkpoint (it has no format "${format}"). fromSafetensors reads it.`,
    );
  }
  if (metadata.version !== version) {
    throw new WgradError(
      `${what}: the checkpoint has version ${metadata.version}; this release reads version ${version}. Update wgrad.`,
    );
  }
  const at = digestPlace(what, bytes);
  // A copy: slice() of Node's Buffer would share its bytes.
  const blank = new Uint8Array(bytes);
  blank.set(new TextEncoder().encode(noDigest), at);
  if (metadata.sha256 !== (await digest(blank))) {
    throw new WgradError(
      `${what}: the checkpoint is damaged: its SHA-256 digest differs from the one it was saved with. Use another copy.`,
    );
  }
  let tensors: Record<string, Tensor>;
  try {
    tensors = fromSafetensors(bytes);
  } catch (error) {
    throw new WgradError(`${what}: ${messageOf(error)}`);
  }
  return putTogether(what, { json: metadata.content ?? "null", tensors });
}

/** Where the 64 digits of the digest stand. Inside of JSON strings every quote is escaped, so the key is found only as key. */
function digestPlace(what: string, bytes: Uint8Array): number {
  const end = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, end));
  const at = text.indexOf(digestKey, 8);
  if (at < 0 || at + digestKey.length + noDigest.length > end)
    throw new WgradError(`${what}: the checkpoint is damaged: it has no digest. Use another copy.`);
  return at + digestKey.length;
}

async function digest(bytes: Uint8Array): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(bytes)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
