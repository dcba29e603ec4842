// Checkpoint files (Node): everything a training needs to go on, whole or not at all.
import { readFile } from "node:fs/promises";
import { WgradError } from "../base/errors.ts";
import type { FitState } from "../fit/options.ts";
import { checkOptions, messageOf, printed } from "../ops/check.ts";
import type { OptimizerStateDict } from "../optim/index.ts";
import { getRngState, type RngState, type Tensor } from "../tensor.ts";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import type { Stateful } from "./checkpoint-tree.ts";
import { writeWhole } from "./whole-file-node.ts";

/** What a checkpoint usually holds, and whatever else was saved in it. */
export interface Checkpoint {
  model: Record<string, Tensor>;
  optimizer: OptimizerStateDict;
  rng: RngState;
  [name: string]: unknown;
}

/** Something whose state can be saved and loaded: a model, an optimizer, a learning-rate schedule. */
export interface Loadable extends Stateful {
  loadStateDict(state: never): unknown;
}

/**
 * Saves models, optimizers, schedules (anything with a `stateDict()`), tensors and plain data to a file. It is a safetensors
 * file, so that other tools read the weights (named `model.…`), with everything else in its metadata and a SHA-256 digest.
 * A crash leaves the old file or the new one, never half of one; what it has left beside it goes with the next save. A link stays one, and a
 * file keeps its permissions.
 *
 * ```ts
 * await saveCheckpoint("run/last.safetensors", { model, optimizer, rng: getRngState(), epoch: 3 });
 * ```
 *
 * Plain data may be nested 500 levels deep and take 100 MB as JSON, the format's limit; tensors may take more.
 *
 * @throws WgradError when `content` holds something that cannot be saved; the file system's errors as they are.
 */
export async function saveCheckpoint(path: string, content: object): Promise<void> {
  await writeWhole(path, await encodeCheckpoint("saveCheckpoint", content));
}

/**
 * Loads a checkpoint after checking its digest: state dicts, tensors and plain data under the names they were saved with.
 * With `into`, the named models, optimizers and schedules also take their state: all of them, or on an error none. With the
 * random generator's state, dropout goes on bit for bit; a DataLoader's orders follow from its `seed` and `epoch`.
 *
 * ```ts
 * const { rng, epoch } = await loadCheckpoint("run/last.safetensors", { model, optimizer });
 * setRngState(rng);
 * ```
 *
 * @throws WgradError when the file is missing, is no checkpoint, is cut short or damaged, or does not fit `into`.
 */
export async function loadCheckpoint<Content extends object = Checkpoint>(
  path: string,
  into: Readonly<Record<string, Loadable>> = {},
): Promise<Content> {
  const what = `loadCheckpoint(${path})`;
  for (const [name, target] of Object.entries(into)) {
    if (typeof target?.loadStateDict === "function") continue;
    throw new TypeError(
      `${what}: what takes its state has a loadStateDict(), got ${printed(target)} as "${name}". The content is returned, too.`,
    );
  }
  const content = await decodeCheckpoint(what, await readBytes(what, path));
  await loadInto(what, content, into);
  return content as Content;
}

/**
 * A `checkpoint` for `fit`: saves model, optimizer, the random generator's state (`rng`), the number of the epoch and the
 * history after every epoch, or with `onlyBest` after those that were the best so far.
 */
export function checkpointTo(path: string, options: { onlyBest?: boolean } = {}): (state: FitState) => Promise<void> {
  checkOptions("checkpointTo", options, ["onlyBest"]);
  return async ({ model, optimizer, epoch, history, improved }) => {
    if (options.onlyBest === true && !improved) return;
    await saveCheckpoint(path, { model, optimizer, rng: getRngState(), epoch, history });
  };
}

async function readBytes(what: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      throw new WgradError(`${what}: there is no such file. Check the path.`);
    }
    throw error;
  }
}

async function loadInto(
  what: string,
  content: Record<string, unknown>,
  into: Readonly<Record<string, Loadable>>,
): Promise<void> {
  const names = Object.keys(into);
  const missing = names.filter((name) => !Object.hasOwn(content, name));
  if (missing.length > 0) {
    throw new WgradError(
      `${what}: the checkpoint holds no "${missing.join('", "')}", only "${Object.keys(content).join('", "')}".`,
    );
  }
  // Each target loads all or nothing; this takes back those before one that does not fit.
  const before = names.length > 1 ? await encodeCheckpoint(what, into) : null;
  const loaded: string[] = [];
  try {
    for (const name of names) {
      into[name]?.loadStateDict(content[name] as never);
      loaded.push(name);
    }
  } catch (error) {
    if (before !== null) {
      const states = await decodeCheckpoint(what, before);
      for (const name of loaded) into[name]?.loadStateDict(states[name] as never);
    }
    const message = `${what}: "${names[loaded.length]}" does not fit: ${messageOf(error)}`;
    // Whatever is wrong is so because of what was saved, not because of an argument.
    if (!(error instanceof WgradError)) throw Object.assign(new WgradError(message), { cause: error });
    error.message = message;
    throw error;
  }
}
