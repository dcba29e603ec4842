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

/** The usual content of a checkpoint. Whatever else was saved is there as well. */
export interface Checkpoint {
  /** The weights of the model. */
  model: Record<string, Tensor>;
  /** The state of the optimizer. */
  optimizer: OptimizerStateDict;
  /** The state of the random generator. */
  rng: RngState;
  [name: string]: unknown;
}

/** Something whose state can be saved and loaded: a model, an optimizer, a learning-rate schedule. */
export interface Loadable extends Stateful {
  /** Takes a state that `stateDict()` returned. */
  loadStateDict(state: never): unknown;
}

/**
 * Saves models, optimizers, schedules (anything with a `stateDict()`), tensors and plain data to a file. The file is a
 * safetensors file, so other tools can read the weights (named `model.…`). Everything else is in its metadata, with a
 * SHA-256 digest.
 *
 * A crash leaves the old file or the new one, never half of one. A link stays a link, and a file keeps its permissions.
 * Plain data may be nested 500 levels deep and take 100 MB as JSON, the limit of the format; tensors may take more.
 *
 * @throws WgradError if `content` holds something that cannot be saved. Errors of the file system come as they are.
 */
export async function saveCheckpoint(path: string, content: object): Promise<void> {
  await writeWhole(path, await encodeCheckpoint("saveCheckpoint", content));
}

/**
 * Loads a checkpoint file after checking its digest. Returns state dicts, tensors and plain data under the names that
 * they were saved with. With `into`, the named models, optimizers and schedules also take their state: all of them, or
 * on an error none. With `rng`, dropout goes on bit for bit; the orders of a DataLoader depend on its `seed` and
 * `epoch` alone.
 *
 * ```js
 * import { getRngState, nn, optim, setRngState } from "wgrad";
 * import { loadCheckpoint, saveCheckpoint } from "wgrad/node";
 *
 * const model = new nn.Linear(2, 1);
 * const optimizer = new optim.SGD(model.parameters());
 * await saveCheckpoint("last.safetensors", { model, optimizer, rng: getRngState(), epoch: 3 });
 *
 * const { rng, epoch } = await loadCheckpoint("last.safetensors", { model, optimizer });
 * setRngState(rng);
 * console.log(epoch); // prints 3
 * ```
 *
 * @throws WgradError if the file is missing, is no checkpoint, is cut short or damaged, or does not fit `into`.
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
 * Makes a `checkpoint` callback for `fit`. After each epoch it saves the model, the optimizer, the state of the random
 * generator (`rng`), the number of the epoch and the history. With `onlyBest`, only after epochs that were the best so
 * far.
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
    // An error here comes from the saved content, not from an argument.
    if (!(error instanceof WgradError)) throw Object.assign(new WgradError(message), { cause: error });
    error.message = message;
    throw error;
  }
}
